// TensorFlow 2.21 writes two lines to standard error while its framework library is being loaded, before it reads
// TF_CPP_MIN_LOG_LEVEL. This module loads that library first, with standard error closed to it if that variable asks
// for less than everything. It is found by the run path that this module is linked with.
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

#include <cstdlib>

NAPI_MODULE_INIT() {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level == nullptr || std::atoi(level) < 1) return exports;
  const int standard_error = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY);
  if (standard_error >= 0 && nowhere >= 0) {
    dup2(nowhere, STDERR_FILENO);
    dlopen("libtensorflow_framework.so.2", RTLD_NOW);  // a failure comes again, with its message, with the addon
    dup2(standard_error, STDERR_FILENO);
  }
  close(standard_error);
  close(nowhere);
  return exports;
}
