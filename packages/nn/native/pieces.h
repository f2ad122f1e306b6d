// How the work on tokens is shared among threads, and sums over tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "eflow/pool.h"
#include "eflow/vector.h"

namespace eflow {

using Buffer = std::unique_ptr<float[]>;

/// Some tokens of one example: the rows [begin, end) of all.
struct Piece {
  int64_t index, example, begin, end;
};

/// The tokens of all examples, cut into pieces whatever the number of threads.
struct Pieces {
  int64_t examples, length;
  static constexpr int64_t kTokens = 64;

  int64_t per_example() const { return (length + kTokens - 1) / kTokens; }
  int64_t count() const { return examples * per_example(); }
  Piece At(int64_t index) const {
    const int64_t example = index / per_example(), first = index % per_example() * kTokens;
    const int64_t begin = example * length + first;
    return {index, example, begin, begin + std::min(kTokens, length - first)};
  }
};

/// Calls work(piece, buffer) for all pieces, on all threads; the buffer has `scratch` floats, whatever they are.
template <typename Work>
void ForPieces(const Pieces &pieces, int64_t scratch, Work work) {
  Pool::Get().Run(pieces.count(), [&](int64_t index) {
    const Buffer buffer(new float[scratch]);
    work(pieces.At(index), buffer.get());
  });
}

/// Sums over tokens of n numbers: each piece has its own, which are added in the order of the pieces, so that the result does not
/// depend on who computed them.
class Sums {
 public:
  Sums(const Pieces &pieces, int n)
      : pieces_(pieces), n_(n), padded_(RoundUp(n)), data_(new float[pieces.count() * padded_]()) {}
  /// The piece's own, whole vectors that start at 0.
  float *Of(const Piece &piece) const { return data_.get() + piece.index * padded_; }
  /// out [n]: the sum over an example.
  void Example(int64_t example, float *out) const { Add(example * pieces_.per_example(), pieces_.per_example(), out); }
  /// out [n]: the sum over all examples.
  void All(float *out) const { Add(0, pieces_.count(), out); }

 private:
  void Add(int64_t first, int64_t count, float *out) const {
    std::fill_n(out, n_, 0.f);
    for (int64_t piece = first; piece < first + count; piece++)
      for (int i = 0; i < n_; i++) out[i] += data_[piece * padded_ + i];
  }
  Pieces pieces_;
  int n_, padded_;
  Buffer data_;
};

}  // namespace eflow
