// A residual connection through adaLN-zero's gate: y = x + gate (update + bias).
#pragma once

#include "pieces.h"
#include "rows.h"

namespace eflow {

/// x, update, y [B, L, E]; gate [B, E]; bias [E].
inline void GatedAdd(const Pieces &pieces, Source x, Source gate, Source update, Source bias, Sink y) {
  const int padded = RoundUp(x.n);
  ForPieces(pieces, 5 * padded, [&](const Piece &piece, float *buffer) {
    const float *const factor = gate.Row(piece.example, buffer), *const offset = bias.Row(0, buffer + padded);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float *const before = x.Row(token, buffer + 2 * padded), *const in = update.Row(token, buffer + 3 * padded);
      float *const out = y.Row(token, buffer + 4 * padded);
      for (int i = 0; i < padded; i += kLanes)
        Store(out + i, Load(before + i) + Load(factor + i) * (Load(in + i) + Load(offset + i)));
      y.Done(token, out);
    }
  });
}

/// The gradients of all inputs but x, whose is d_y: d_gate [B, E]; d_update [B, L, E]; d_bias [E].
inline void GatedAddGrad(const Pieces &pieces, Source d_y, Source gate, Source update, Source bias, float *d_gate,
                         Sink d_update, float *d_bias) {
  const int n = d_y.n, padded = RoundUp(n);
  const Sums slopes(pieces, n), slopes_along(pieces, n);
  ForPieces(pieces, 4 * padded, [&](const Piece &piece, float *buffer) {
    const float *const factor = gate.Row(piece.example, buffer);
    float *const sum = slopes.Of(piece), *const sum_along = slopes_along.Of(piece);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float *const slope = d_y.Row(token, buffer + padded), *const in = update.Row(token, buffer + 2 * padded);
      float *const out = d_update.Row(token, buffer + 3 * padded);
      for (int i = 0; i < padded; i += kLanes) {
        const Vec dy = Load(slope + i);
        Store(sum + i, Load(sum + i) + dy);
        Store(sum_along + i, Load(sum_along + i) + dy * Load(in + i));
        Store(out + i, dy * Load(factor + i));
      }
      d_update.Done(token, out);
    }
  });
  const Buffer buffer(new float[3 * padded]), sum(new float[n]);
  const float *const offset = bias.Row(0, buffer.get());
  std::fill_n(d_bias, n, 0.f);
  for (int64_t example = 0; example < pieces.examples; example++) {
    const float *const factor = gate.Row(example, buffer.get() + padded);
    float *const out = d_gate + example * n;
    slopes.Example(example, sum.get());
    slopes_along.Example(example, out);
    for (int i = 0; i < n; i++) {
      out[i] += offset[i] * sum[i];
      d_bias[i] += factor[i] * sum[i];
    }
  }
}

}  // namespace eflow
