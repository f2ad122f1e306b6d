// Heads of attention: from the projection of tokens to queries, keys and values by head, of which queries and keys are
// normalised, weight x / sqrt(mean(x^2) + eps); and from heads back to tokens.
#pragma once

#include <cmath>

#include "pieces.h"
#include "rows.h"

namespace eflow {

struct Heads {
  int64_t examples, heads, length;
  int dim;

  int width() const { return static_cast<int>(heads) * dim; }
  Pieces pieces() const { return {examples, length}; }
  /// Elements of each of q, k and v.
  int64_t size() const { return examples * length * width(); }
  /// Where the head's part of a token, a row of all examples' tokens, is in [B, N, L, D].
  int64_t At(int64_t example, int64_t head, int64_t token) const {
    return ((example * heads + head) * length + token - example * length) * dim;
  }
};

/// Calls work(i, count) for the vectors that hold n numbers, of which the last may be a part.
template <typename Work>
inline void ForVectors(int n, Work work) {
  for (int i = 0; i < n; i += kLanes) work(i, std::min(kLanes, n - i));
}

/// 1 / sqrt(mean(x^2) + eps) of n numbers.
inline float InverseRms(const float *x, int n, float eps) {
  Vec squares{};
  ForVectors(n, [&](int i, int count) {
    const Vec value = LoadFirst(x + i, count);
    squares += value * value;
  });
  return 1 / std::sqrt(Sum(squares) / n + eps);
}

/// x [B, L, 3 E] and bias [3 E]: queries, keys and values of all heads; weights [D] of queries and keys; out [3, B, N, L, D].
inline void SplitHeads(const Heads &heads, float eps, Source x, Source bias, const Source (&weights)[2], float *out) {
  const int dim = heads.dim, row = RoundUp(x.n);
  const float *const factors[] = {static_cast<const float *>(weights[0].data), static_cast<const float *>(weights[1].data)};
  ForPieces(heads.pieces(), 2 * row, [&](const Piece &piece, float *buffer) {
    float *const raw = buffer + row;
    const float *const offset = bias.Row(0, buffer);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float *const in = x.Row(token, raw);
      for (int i = 0; i < row; i += kLanes) Store(raw + i, Load(in + i) + Load(offset + i));
      for (int part = 0; part < 3; part++) {
        for (int64_t head = 0; head < heads.heads; head++) {
          const float *const values = raw + part * heads.width() + head * dim;
          float *const to = out + part * heads.size() + heads.At(piece.example, head, token);
          if (part == 2) {
            Copy(values, dim, to);
            continue;
          }
          const float inverse = InverseRms(values, dim, eps);
          ForVectors(dim, [&](int i, int count) {
            StoreFirst(to + i, LoadFirst(values + i, count) * inverse * LoadFirst(factors[part] + i, count), count);
          });
        }
      }
    }
  });
}

/// The gradients from d_out [3, B, N, L, D]: d_x [B, L, 3 E]; d_bias [3 E]; d_weights [D] of queries and keys.
inline void SplitHeadsGrad(const Heads &heads, float eps, const float *d_out, Source x, Source bias,
                           const Source (&weights)[2], Sink d_x, float *d_bias, float *const (&d_weights)[2]) {
  const int dim = heads.dim, row = RoundUp(x.n);
  const float *const factors[] = {static_cast<const float *>(weights[0].data), static_cast<const float *>(weights[1].data)};
  const Sums bias_sums(heads.pieces(), x.n), query_sums(heads.pieces(), dim), key_sums(heads.pieces(), dim);
  ForPieces(heads.pieces(), 3 * row, [&](const Piece &piece, float *buffer) {
    float *const raw = buffer + row, *const d_raw = raw + row;
    const float *const offset = bias.Row(0, buffer);
    float *const sums[] = {query_sums.Of(piece), key_sums.Of(piece)}, *const bias_sum = bias_sums.Of(piece);
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float *const in = x.Row(token, raw);
      for (int i = 0; i < row; i += kLanes) Store(raw + i, Load(in + i) + Load(offset + i));
      for (int part = 0; part < 3; part++) {
        for (int64_t head = 0; head < heads.heads; head++) {
          const int64_t at = part * heads.width() + head * dim;
          const float *const slope = d_out + part * heads.size() + heads.At(piece.example, head, token);
          if (part == 2) {
            Copy(slope, dim, d_raw + at);
            continue;
          }
          const float inverse = InverseRms(raw + at, dim, eps);
          Vec along{};
          ForVectors(dim, [&](int i, int count) {
            const Vec value = LoadFirst(raw + at + i, count) * inverse, dy = LoadFirst(slope + i, count);
            Store(sums[part] + i, Load(sums[part] + i) + dy * value);
            along += dy * LoadFirst(factors[part] + i, count) * value;
          });
          const float mean_along = Sum(along) / dim;
          ForVectors(dim, [&](int i, int count) {
            const Vec value = LoadFirst(raw + at + i, count) * inverse;
            const Vec d_value = LoadFirst(slope + i, count) * LoadFirst(factors[part] + i, count);
            StoreFirst(d_raw + at + i, (d_value - value * mean_along) * inverse, count);
          });
        }
      }
      ClearRest(d_raw, x.n);
      for (int i = 0; i < row; i += kLanes) Store(bias_sum + i, Load(bias_sum + i) + Load(d_raw + i));
      float *const out = d_x.Row(token, d_raw);
      if (out != d_raw) Copy(d_raw, row, out);
      d_x.Done(token, out);
    }
  });
  bias_sums.All(d_bias);
  query_sums.All(d_weights[0]);
  key_sums.All(d_weights[1]);
}

/// x [B, N, L, D] -> out [B, L, N D].
inline void JoinHeads(const Heads &heads, const float *x, Sink out) {
  ForPieces(heads.pieces(), RoundUp(out.n), [&](const Piece &piece, float *buffer) {
    for (int64_t token = piece.begin; token < piece.end; token++) {
      float *const row = out.Row(token, buffer);
      for (int64_t head = 0; head < heads.heads; head++)
        Copy(x + heads.At(piece.example, head, token), heads.dim, row + head * heads.dim);
      out.Done(token, row);
    }
  });
}

/// The same backward: d_out [B, L, N D] -> d_x [B, N, L, D].
inline void JoinHeadsGrad(const Heads &heads, Source d_out, float *d_x) {
  ForPieces(heads.pieces(), RoundUp(d_out.n), [&](const Piece &piece, float *buffer) {
    for (int64_t token = piece.begin; token < piece.end; token++) {
      const float *const row = d_out.Row(token, buffer);
      for (int64_t head = 0; head < heads.heads; head++)
        Copy(row + head * heads.dim, heads.dim, d_x + heads.At(piece.example, head, token));
    }
  });
}

}  // namespace eflow
