// Layer norm with adaLN's modulation: y = (x - mean) / sqrt(var + eps) (1 + scale) + shift.
#pragma once

#include <cmath>

#include "pieces.h"
#include "rows.h"

namespace eflow {

/// out = (x - mean) / sqrt(var + eps) of a row of n numbers, in whole vectors, whose rest becomes 0. Returns 1 / sqrt(var + eps).
inline float Standardise(const float *x, int n, float eps, float *out) {
  const int padded = RoundUp(n);
  Vec sum{}, squares{};
  for (int i = 0; i < padded; i += kLanes) sum += Load(x + i);
  const float mean = Sum(sum) / n;
  for (int i = 0; i < padded; i += kLanes) Store(out + i, Load(x + i) - mean);
  ClearRest(out, n);
  for (int i = 0; i < padded; i += kLanes) squares += Load(out + i) * Load(out + i);
  const float inverse = 1 / std::sqrt(Sum(squares) / n + eps);
  for (int i = 0; i < padded; i += kLanes) Store(out + i, Load(out + i) * inverse);
  return inverse;
}

/// x, y [B, L, E]; shift, scale [B, E].
inline void ModulatedNorm(const Pieces &pieces, float eps, Source x, Source shift, Source scale, Sink y) {
  const int padded = RoundUp(x.n);
  ForPieces(pieces, 4 * padded, [&](const Piece &piece, float *buffer) {
    const float *const offset = shift.Row(piece.example, buffer), *const factor = scale.Row(piece.example, buffer + padded);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      float *const out = y.Row(token, buffer + 2 * padded);
      Standardise(x.Row(token, buffer + 3 * padded), x.n, eps, out);
      for (int i = 0; i < padded; i += kLanes)
        Store(out + i, Load(out + i) * (1 + Load(factor + i)) + Load(offset + i));
      y.Done(token, out);
    }
  });
}

/// The gradients of all inputs: d_x [B, L, E]; d_shift, d_scale [B, E].
inline void ModulatedNormGrad(const Pieces &pieces, float eps, Source d_y, Source x, Source scale, Sink d_x,
                              float *d_shift, float *d_scale) {
  const int n = x.n, padded = RoundUp(n);
  const Sums slopes(pieces, n), slopes_along(pieces, n);
  ForPieces(pieces, 5 * padded, [&](const Piece &piece, float *buffer) {
    const float *const factor = scale.Row(piece.example, buffer);
    float *const normalised = buffer + padded;
    float *const sum = slopes.Of(piece), *const sum_along = slopes_along.Of(piece);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float inverse = Standardise(x.Row(token, buffer + 2 * padded), n, eps, normalised);
      const float *const slope = d_y.Row(token, buffer + 3 * padded);
      float *const out = d_x.Row(token, buffer + 4 * padded);
      Vec total{}, along{};
      for (int i = 0; i < padded; i += kLanes) {
        const Vec dy = Load(slope + i), value = Load(normalised + i);
        Store(sum + i, Load(sum + i) + dy);
        Store(sum_along + i, Load(sum_along + i) + dy * value);
        const Vec d_value = dy * (1 + Load(factor + i));
        Store(out + i, d_value);
        total += d_value;
        along += d_value * value;
      }
      // What is left after the part along 1, as the mean is taken off, and that along the result, whose length is fixed.
      const float mean = Sum(total) / n, mean_along = Sum(along) / n;
      for (int i = 0; i < padded; i += kLanes)
        Store(out + i, (Load(out + i) - mean - Load(normalised + i) * mean_along) * inverse);
      d_x.Done(token, out);
    }
  });
  for (int64_t example = 0; example < pieces.examples; example++) {
    slopes.Example(example, d_shift + example * n);
    slopes_along.Example(example, d_scale + example * n);
  }
}

}  // namespace eflow
