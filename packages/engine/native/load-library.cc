// Loads TensorFlow's framework library before the addon does, and sets three things right that can only be set then:
// - TensorFlow 2.21 writes two lines to standard error while it is being loaded, before it reads TF_CPP_MIN_LOG_LEVEL.
// - Its CUDA build looks for all of NVIDIA's libraries beside itself except cuSOLVER, without which it uses no GPU.
// - It multiplies float32 matrices in TensorFloat-32 on a GPU, with errors of 1e-3; EFLOW_TF32=1 keeps that.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <node_api.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

int Number(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? std::atoi(value) : 0;
}

/// The library, found by the run path that this module is linked with; null if it cannot be loaded.
void* LoadFramework() { return dlopen("libtensorflow_framework.so.2", RTLD_NOW); }

void* LoadFrameworkSilently() {
  const int standard_error = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY);
  if (standard_error >= 0 && nowhere >= 0) dup2(nowhere, STDERR_FILENO);
  void* const framework = LoadFramework();
  if (standard_error >= 0) dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  close(nowhere);
  return framework;
}

}  // namespace

NAPI_MODULE_INIT() {
  void* const framework = Number("TF_CPP_MIN_LOG_LEVEL") < 1 ? LoadFramework() : LoadFrameworkSilently();
  if (framework == nullptr) return exports;  // the addon's loading fails in the same way, with a message
  char folder[PATH_MAX];
  if (dlinfo(framework, RTLD_DI_ORIGIN, folder) == 0) {
    dlopen((std::string(folder) + "/../nvidia/cusolver/lib/libcusolver.so.11").c_str(), RTLD_NOW | RTLD_GLOBAL);
  }
  const auto allow_tf32 = reinterpret_cast<void (*)(bool)>(dlsym(framework, "_ZN3tsl32enable_tensor_float_32_executionEb"));
  if (allow_tf32) allow_tf32(Number("EFLOW_TF32") == 1);
  return exports;
}
