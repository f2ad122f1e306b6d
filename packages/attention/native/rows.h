// What the kernels do to the rows of a head: padding to whole vectors, rotary turns, feature maps.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>

#include "eflow/vector.h"

namespace eflow {

/// Queries, or keys, or tokens that are worked on at a time.
constexpr int kBlock = 64;
constexpr int kMaxDim = 256;

using Buffer = std::unique_ptr<float[]>;
inline Buffer Allocate(int64_t count) { return Buffer(new float[count]); }

/// The tokens' rotation angles: cos and sin, rows of D each; none if cos is null.
struct Rotary {
  const float *cos, *sin;
};

/// Turns each pair (x_i, x_{i + D/2}) by the token's angle, or back with direction -1. `out` may not be `x`.
inline void Turn(const Rotary &rotary, int64_t token, int dim, float direction, const float *x, float *out) {
  const float *cos = rotary.cos + token * dim, *sin = rotary.sin + token * dim;
  const int half = dim / 2;
  for (int i = 0; i < half; i += kLanes) {
    const int n = std::min(kLanes, half - i);
    const auto at = [&](const float *row, int offset) { return LoadFirst(row + offset + i, n); };
    const Vec first = at(x, 0), second = at(x, half);
    StoreFirst(out + i, first * at(cos, 0) - direction * at(sin, 0) * second, n);
    StoreFirst(out + half + i, second * at(cos, half) + direction * at(sin, half) * first, n);
  }
}

/// Rows [begin, begin + count) of x [L, D], turned if there is a rotary embedding, as rows of whole vectors, padded with 0.
inline void CopyRows(const float *x, int64_t begin, int count, int dim, const Rotary &rotary, Rows out) {
  for (int i = 0; i < count; i++) {
    const float *const row = x + (begin + i) * dim;
    if (!rotary.cos) {
      CopyPadded(row, dim, out[i]);
      continue;
    }
    Turn(rotary, begin + i, dim, 1, row, out[i]);
    ClearRest(out[i], dim);
  }
}

/// The same rows, of any length: in place, or turned into `buffer`.
inline Rows LoadRows(const float *x, int64_t begin, int count, int dim, const Rotary &rotary, float *buffer) {
  if (!rotary.cos) return {const_cast<float *>(x) + begin * dim, dim};
  const Rows rows{buffer, RoundUp(dim)};
  CopyRows(x, begin, count, dim, rotary, rows);
  return rows;
}

/// out [D, kBlock] = the transpose of `count` rows times `scale`; columns from `count` to the next whole vector are 0.
inline void Transpose(Rows rows, int count, int dim, float scale, float *out) {
  for (int d = 0; d < dim; d++) {
    for (int i = 0; i < count; i++) out[d * kBlock + i] = rows[i][d] * scale;
    ClearRest(out + d * kBlock, count);
  }
}

inline float Dot(const float *a, const float *b, int n) {
  Vec sum{};
  for (int i = 0; i < n; i += kLanes) sum += Load(a + i) * Load(b + i);
  return Sum(sum);
}

/// Adds the rows' sum to y. Several vectors at a time, whose sums do not wait for each other.
inline void AddRows(Rows rows, int count, int padded, float *y) {
  int d = 0;
  for (; d + 4 * kLanes <= padded; d += 4 * kLanes) {
    Vec sums[4];
    for (int v = 0; v < 4; v++) sums[v] = Load(y + d + v * kLanes);
    for (int i = 0; i < count; i++)
      for (int v = 0; v < 4; v++) sums[v] += Load(rows[i] + d + v * kLanes);
    for (int v = 0; v < 4; v++) Store(y + d + v * kLanes, sums[v]);
  }
  for (; d < padded; d += kLanes) {
    Vec sum = Load(y + d);
    for (int i = 0; i < count; i++) sum += Load(rows[i] + d);
    Store(y + d, sum);
  }
}

/// y += a x
inline void AddTimes(float a, const float *x, float *y, int n) {
  for (int i = 0; i < n; i += kLanes) Store(y + i, Load(y + i) + a * Load(x + i));
}

enum class FeatureMap { kRelu, kElu1, kSoftmax };

constexpr float kLog2E = 1.44269504088896341f;

/// out = phi(x) of a row of whole vectors, which may be the same; what is after `dim` becomes 0.
inline void MapFeatures(FeatureMap map, const float *x, int dim, float *out) {
  const int padded = RoundUp(dim);
  switch (map) {
    case FeatureMap::kRelu:
      for (int i = 0; i < padded; i += kLanes) {
        const Vec value = Load(x + i);
        Store(out + i, value <= 0.f ? Vec{} : value);  // NaN stays
      }
      break;
    case FeatureMap::kElu1:
      for (int i = 0; i < padded; i += kLanes) {
        const Vec value = Load(x + i);
        Store(out + i, value > 0.f ? value + 1.f : Exp2(value * kLog2E));
      }
      break;
    case FeatureMap::kSoftmax: {
      float max = x[0], sum = 0;
      for (int i = 1; i < dim; i++) max = std::max(max, x[i]);
      for (int i = 0; i < padded; i += kLanes) Store(out + i, Exp2((Load(x + i) - max) * kLog2E));
      for (int i = 0; i < dim; i++) sum += out[i];
      for (int i = 0; i < padded; i += kLanes) Store(out + i, Load(out + i) / sum);
    }
  }
  ClearRest(out, dim);
}

/// The gradient of x from `gradient`, that of phi(x), in place; `features` is phi(x).
inline void MapFeaturesGrad(FeatureMap map, const float *features, float *gradient, int dim) {
  const int padded = RoundUp(dim);
  const float mean = map == FeatureMap::kSoftmax ? Dot(features, gradient, padded) : 0;
  for (int i = 0; i < padded; i += kLanes) {
    const Vec y = Load(features + i), dy = Load(gradient + i);
    switch (map) {
      case FeatureMap::kRelu:
        Store(gradient + i, y > 0.f ? dy : Vec{});
        break;
      case FeatureMap::kElu1:  // y = exp(x) where x < 0, which is its own slope; x + 1 elsewhere
        Store(gradient + i, y < 1.f ? dy * y : dy);
        break;
      case FeatureMap::kSoftmax:
        Store(gradient + i, y * (dy - mean));
    }
  }
}

}  // namespace eflow
