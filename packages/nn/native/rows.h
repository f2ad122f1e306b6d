// Rows of tensors in float32 or bfloat16, as rows of whole vectors of float32.
#pragma once

#include <algorithm>
#include <cstdint>

#include "eflow/vector.h"

namespace eflow {

typedef uint16_t HalfVec __attribute__((vector_size(kLanes * sizeof(uint16_t))));
typedef uint32_t BitsVec __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef uint16_t UnalignedHalfVec
    __attribute__((vector_size(kLanes * sizeof(uint16_t)), aligned(sizeof(uint16_t)), may_alias));

/// Floats of bfloat16, which is the upper half of a float32.
inline Vec Widen(HalfVec x) { return (Vec)(__builtin_convertvector(x, BitsVec) << 16); }

/// The nearest bfloat16, ties to even; NaN stays NaN.
inline HalfVec Narrow(Vec x) {
  const BitsVec bits = (BitsVec)x;
  const BitsVec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const BitsVec quiet = (bits >> 16) | 0x40;
  return __builtin_convertvector((BitsVec)(x == x ? (Vec)rounded : (Vec)quiet), HalfVec);
}

inline Vec LoadHalf(const uint16_t *p) { return Widen(*reinterpret_cast<const UnalignedHalfVec *>(p)); }
inline void StoreHalf(uint16_t *p, Vec x) { *reinterpret_cast<UnalignedHalfVec *>(p) = Narrow(x); }

/// Rows of n numbers, one after the other, that are read.
struct Source {
  const void *data;
  bool half;
  int n;

  /// The row as whole vectors, padded with 0: in place, or in `buffer`.
  const float *Row(int64_t row, float *buffer) const {
    if (!half) {
      const float *const from = static_cast<const float *>(data) + row * n;
      if (n % kLanes == 0) return from;
      CopyPadded(from, n, buffer);
      return buffer;
    }
    const uint16_t *const from = static_cast<const uint16_t *>(data) + row * n;
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) Store(buffer + i, LoadHalf(from + i));
    if (i < n) {
      alignas(64) uint16_t rest[kLanes] = {};
      std::copy_n(from + i, n - i, rest);
      Store(buffer + i, LoadHalf(rest));
    }
    return buffer;
  }
};

/// Rows of n numbers, one after the other, that are written.
struct Sink {
  void *data;
  bool half;
  int n;

  /// Where to write the row's whole vectors: in place, or `buffer`. Then comes Done.
  float *Row(int64_t row, float *buffer) const {
    return half || n % kLanes != 0 ? buffer : static_cast<float *>(data) + row * n;
  }
  void Done(int64_t row, const float *values) const {
    if (!half) {
      if (n % kLanes != 0) Copy(values, n, static_cast<float *>(data) + row * n);
      return;
    }
    uint16_t *const to = static_cast<uint16_t *>(data) + row * n;
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) StoreHalf(to + i, Load(values + i));
    if (i < n) {
      alignas(64) uint16_t rest[kLanes];
      StoreHalf(rest, Load(values + i));
      std::copy_n(rest, n - i, to + i);
    }
  }
};

}  // namespace eflow
