// GELU in its tanh form of x + bias: z sigmoid(2 u), u = sqrt(2 / pi) (z + 0.044715 z^3).
#pragma once

#include "pieces.h"
#include "rows.h"

namespace eflow {

constexpr float kGeluSlope = 1.59576912160573071f;  // 2 sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715f * kGeluSlope;

/// sigmoid(2 u).
inline Vec GeluGate(Vec z) {
  constexpr float kLog2E = 1.44269504088896341f;
  const Vec exponent = -kLog2E * z * (kGeluCubic * z * z + kGeluSlope);
  return 1.f / (1.f + Exp2(exponent > 126.f ? Splat(126.f) : exponent));
}

/// x, y [rows, E]; bias [E].
inline void BiasGelu(const Pieces &pieces, Source x, Source bias, Sink y) {
  const int padded = RoundUp(x.n);
  ForPieces(pieces, 3 * padded, [&](const Piece &piece, float *buffer) {
    const float *const offset = bias.Row(0, buffer);
    for (int64_t row = piece.begin; row < piece.end; row++) {
      const float *const in = x.Row(row, buffer + padded);
      float *const out = y.Row(row, buffer + 2 * padded);
      for (int i = 0; i < padded; i += kLanes) {
        const Vec z = Load(in + i) + Load(offset + i);
        Store(out + i, z * GeluGate(z));
      }
      y.Done(row, out);
    }
  });
}

/// The gradients: d_x [rows, E]; d_bias [E].
inline void BiasGeluGrad(const Pieces &pieces, Source d_y, Source x, Source bias, Sink d_x, float *d_bias) {
  const int padded = RoundUp(x.n);
  const Sums slopes(pieces, x.n);
  ForPieces(pieces, 4 * padded, [&](const Piece &piece, float *buffer) {
    const float *const offset = bias.Row(0, buffer);
    float *const sum = slopes.Of(piece);
    for (int64_t row = piece.begin; row < piece.end; row++) {
      const float *const in = x.Row(row, buffer + padded), *const slope = d_y.Row(row, buffer + 2 * padded);
      float *const out = d_x.Row(row, buffer + 3 * padded);
      for (int i = 0; i < padded; i += kLanes) {
        const Vec z = Load(in + i) + Load(offset + i), gate = GeluGate(z);
        const Vec d_z = Load(slope + i) * (gate + z * gate * (1.f - gate) * (3 * kGeluCubic * z * z + kGeluSlope));
        Store(out + i, d_z);
        Store(sum + i, Load(sum + i) + d_z);
      }
      d_x.Done(row, out);
    }
  });
  slopes.All(d_bias);
}

}  // namespace eflow
