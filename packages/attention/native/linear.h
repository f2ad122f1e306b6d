// Linear attention of a head (Katharopoulos et al., arXiv 2006.16236): all keys and values in one state of [D, D], the sum
// of phi(k)^T v, and the sum of phi(k), which the queries read. Rotary turns phi(q) and phi(k) in the numerator alone
// (SANA-Video, arXiv 2509.24695).
#pragma once

#include "rows.h"

namespace eflow {

/// Keeps the denominator off zero; LINEAR_EPS of src/linear.ts.
constexpr float kLinearEps = 1e-6f;

/// A head's state, or its gradient: D rows of whole vectors, sum_j phi(k_j)_e v_j; and sum_j phi(k_j).
struct State {
  Rows products;
  float *sum;
};
inline int64_t StateSize(int dim) { return static_cast<int64_t>(dim + 1) * RoundUp(dim); }
inline State StateAt(float *data, int dim) { return {{data, RoundUp(dim)}, data + dim * RoundUp(dim)}; }

struct LinearScratch {
  alignas(64) float features[kBlock * kMaxDim];  // phi(x)
  alignas(64) float turned[kBlock * kMaxDim];    // phi(x), turned
  alignas(64) float values[kBlock * kMaxDim];
  alignas(64) float slopes[kBlock * kMaxDim];
  alignas(64) float result[kBlock * kMaxDim];
  alignas(64) float denominators[kBlock];
};

/// phi of the tokens [begin, begin + count) of x [L, D] in scratch.features; returns them turned.
inline Rows LoadFeatures(LinearScratch &scratch, FeatureMap map, const float *x, int64_t begin, int count, int dim,
                         const Rotary &rotary) {
  const int padded = RoundUp(dim);
  const Rows features{scratch.features, padded}, turned{scratch.turned, padded};
  if (padded != dim) CopyRows(x, begin, count, dim, {}, features);
  for (int i = 0; i < count; i++)
    MapFeatures(map, padded == dim ? x + (begin + i) * dim : features[i], dim, features[i]);
  if (!rotary.cos) return features;
  for (int i = 0; i < count; i++) {
    Turn(rotary, begin + i, dim, 1, features[i], turned[i]);
    ClearRest(turned[i], dim);
  }
  return turned;
}

/// Adds tokens to the state; `values` are their rows, padded.
inline void AddToState(LinearScratch &scratch, FeatureMap map, const float *k, Rows values, int64_t begin, int count,
                       int dim, const Rotary &rotary, State state) {
  const int padded = RoundUp(dim);
  const Rows turned = LoadFeatures(scratch, map, k, begin, count, dim, rotary);
  Product<true>(dim, padded, count, {turned.data, 1, padded}, values, state.products);
  AddRows({scratch.features, padded}, count, padded, state.sum);
}

/// phi of a block of queries: leaves it in scratch.features, returns it turned, and gives the denominators.
inline Rows ReadFeatures(LinearScratch &scratch, FeatureMap map, const float *q, int64_t begin, int count, int dim,
                         const Rotary &rotary, State state) {
  const int padded = RoundUp(dim);
  const Rows turned = LoadFeatures(scratch, map, q, begin, count, dim, rotary);
  for (int i = 0; i < count; i++)
    scratch.denominators[i] = Dot(scratch.features + i * padded, state.sum, padded) + kLinearEps;
  return turned;
}

/// After ReadFeatures: the block's output, rows of whole vectors.
inline void ReadState(const LinearScratch &scratch, Rows turned, int count, int dim, State state, Rows output) {
  const int padded = RoundUp(dim);
  Product<false>(count, padded, dim, {turned.data, padded, 1}, state.products, output);
  for (int i = 0; i < count; i++) {
    const float inverse = 1 / scratch.denominators[i];
    for (int d = 0; d < padded; d += kLanes) Store(output[i] + d, Load(output[i] + d) * inverse);
  }
}

/// After ReadFeatures: from the rows of `gradients` (of the output) and slope[i] = gradient times output, adds to d_state and
/// gives the gradient of q as rows of scratch.slopes. `transposed` holds state.products' transpose.
inline void ReadStateGrad(LinearScratch &scratch, FeatureMap map, Rows turned, Rows gradients, const float *slope,
                          int64_t begin, int count, int dim, const Rotary &rotary, State state, Rows transposed,
                          State d_state) {
  const int padded = RoundUp(dim);
  const Rows numerators{scratch.values, padded}, d_queries{scratch.slopes, padded};
  for (int i = 0; i < count; i++) {
    const float inverse = 1 / scratch.denominators[i];
    for (int d = 0; d < padded; d += kLanes) Store(numerators[i] + d, Load(gradients[i] + d) * inverse);
  }
  Product<true>(dim, padded, count, {turned.data, 1, padded}, numerators, d_state.products);
  Product<false>(count, padded, dim, {numerators.data, padded, 1}, transposed, d_queries);
  for (int i = 0; i < count; i++) {
    const float d_denominator = -slope[i] / scratch.denominators[i];
    AddTimes(d_denominator, scratch.features + i * padded, d_state.sum, padded);
    if (rotary.cos) {
      float *const row = scratch.result + i * padded;
      Turn(rotary, begin + i, dim, -1, d_queries[i], row);
      Copy(row, dim, d_queries[i]);
    }
    AddTimes(d_denominator, state.sum, d_queries[i], padded);
    MapFeaturesGrad(map, scratch.features + i * padded, d_queries[i], dim);
  }
}

/// The gradients of keys (rows of scratch.slopes) and values (rows of scratch.result) from that of the state.
inline void AddToStateGrad(LinearScratch &scratch, FeatureMap map, const float *k, Rows values, int64_t begin,
                           int count, int dim, const Rotary &rotary, State d_state, Rows d_transposed) {
  const int padded = RoundUp(dim);
  const Rows turned = LoadFeatures(scratch, map, k, begin, count, dim, rotary);
  const Rows d_keys{scratch.slopes, padded}, d_values{scratch.result, padded};
  Product<false>(count, padded, dim, {turned.data, padded, 1}, d_state.products, d_values);
  Product<false>(count, padded, dim, {values.data, values.stride, 1}, d_transposed, d_keys);
  for (int i = 0; i < count; i++) {
    if (rotary.cos) {
      float *const row = scratch.turned + i * padded;
      Turn(rotary, begin + i, dim, -1, d_keys[i], row);
      Copy(row, dim, d_keys[i]);
    }
    AddTimes(1, d_state.sum, d_keys[i], padded);
    MapFeaturesGrad(map, scratch.features + i * padded, d_keys[i], dim);
  }
}

inline void TransposeProducts(Rows products, int dim, Rows out) {
  for (int i = 0; i < dim; i++) {
    for (int j = 0; j < dim; j++) out[i][j] = products[j][i];
    ClearRest(out[i], dim);
  }
}

}  // namespace eflow
