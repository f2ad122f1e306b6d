// Threads of the kernels' own, as many as TensorFlow shares one op among: its C API lends none to a kernel.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace eflow {

class Pool {
 public:
  static Pool &Get() {
    static Pool *pool = new Pool;  // never destroyed: its threads wait until the process ends
    return *pool;
  }

  int threads() const { return threads_; }

  /// Runs task(0) ... task(count - 1), in any order and at the same time, and returns when all are done. The calling
  /// thread takes part, so that calls from several threads cannot wait for each other. Throws the first exception of a
  /// task; tasks that have not begun by then are left out.
  void Run(int64_t count, const std::function<void(int64_t)> &task) {
    if (count == 1 || threads_ == 1) {
      for (int64_t i = 0; i < count; i++) task(i);
      return;
    }
    const auto job = std::make_shared<Job>(count, task);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(job);
    }
    wake_.notify_all();
    job->Work();
    std::unique_lock<std::mutex> lock(mutex_);
    jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), job), jobs_.end());
    done_.wait(lock, [&] { return job->done == count; });
    if (job->error) std::rethrow_exception(std::move(job->error));
  }

 private:
  struct Job {
    int64_t count;
    const std::function<void(int64_t)> &task;  // valid until all tasks are done
    std::atomic<int64_t> next{0}, done{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error;  // of the task that failed first; read when all are done
    Job(int64_t count, const std::function<void(int64_t)> &task) : count(count), task(task) {}
    /// Whether this call finished the last task.
    bool Work() {
      int64_t finished = 0;
      for (int64_t i; (i = next++) < count; finished++) {
        if (!failed) Try(i);
      }
      return finished > 0 && (done += finished) == count;
    }
    /// An exception must not leave a thread of the pool: that would end the process.
    void Try(int64_t i) noexcept {
      try {
        task(i);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  };

  Pool() {
    const char *wanted = std::getenv("TF_NUM_INTRAOP_THREADS");
    const int count = wanted ? std::atoi(wanted) : 0;
    const int most = count > 0 ? count : std::max(1u, std::thread::hardware_concurrency());
    try {
      for (threads_ = 1; threads_ < most; threads_++) std::thread([this] { Serve(); }).detach();
    } catch (const std::system_error &) {
      // The system gives no more threads: these have to do.
    }
  }

  void Serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return !jobs_.empty(); });
      const auto job = jobs_.front();
      lock.unlock();
      const bool last = job->Work();
      lock.lock();
      // No task is left to begin: nobody else needs to see this job.
      jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), job), jobs_.end());
      if (last) done_.notify_all();
    }
  }

  int threads_ = 1;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<std::shared_ptr<Job>> jobs_;
};

}  // namespace eflow
