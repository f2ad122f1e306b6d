// Softmax attention of a block of queries over the keys in its window; a window of at least the length is full softmax
// attention. Scores are kept as [keys, queries], so that what softmax does to a query is done to one lane of every vector
// (Dao et al., "FlashAttention", arXiv 2205.14135; Milakov & Gimelshein, arXiv 1805.02867, for the running maximum).
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "rows.h"

namespace eflow {

/// Keys whose scores are held at a time: with kBlock queries they and the keys' values fit the second cache.
constexpr int kKeys = 256;

/// Which keys the queries [first, first + count) see: those at most `size` places away in a sequence of `length`; and of
/// those, if `blocks` is not null, the ones in the blocks of kBlock keys that it lists.
struct Window {
  int64_t first;
  int count;
  int64_t size, length;
  const int32_t *blocks;
  int64_t num_blocks;

  int64_t Begin() const { return std::max<int64_t>(0, first - size); }
  int64_t End() const { return std::min(length, first + count + size); }

  struct Span {
    int begin, end;
    bool operator==(const Span &other) const { return begin == other.begin && end == other.end; }
  };
  /// The queries, in whole vectors, of which some see some of the keys [j0, j1).
  Span Queries(int64_t j0, int64_t j1) const {
    const int64_t low = std::max<int64_t>(0, j0 - size - first);
    const int64_t high = std::min<int64_t>(count, j1 - 1 + size - first + 1);
    return {static_cast<int>(low / kLanes * kLanes), RoundUp(static_cast<int>(high))};
  }
  bool AllVisible(int64_t j0, int64_t j1, int query) const {
    return j0 >= first + query + kLanes - 1 - size && j1 - 1 <= first + query + size;
  }
  /// All ones in the lanes of the queries from `query` on that see the key j.
  IntVec Visible(int64_t j, int query) const {
    IntVec distance;
    for (int i = 0; i < kLanes; i++) distance[i] = static_cast<int32_t>(first + query - j) + i;
    const int32_t bound = static_cast<int32_t>(size);
    return (distance >= -bound) & (distance <= bound);
  }
  /// Calls run(begin, end) for all keys that are seen, at most `step` at a time.
  template <typename Run>
  void ForKeys(int64_t step, Run run) const {
    if (blocks) {
      for (int64_t i = 0; i < num_blocks; i++)
        run(blocks[i] * int64_t{kBlock}, std::min(length, (blocks[i] + int64_t{1}) * kBlock));
    } else {
      for (int64_t begin = Begin(); begin < End(); begin += step) run(begin, std::min(begin + step, End()));
    }
  }
  /// Calls run(j0, j1, queries) for the keys [begin, end), cut where other queries see them.
  template <typename Run>
  void ForRuns(int64_t begin, int64_t end, Run run) const {
    for (int64_t j0 = begin, j1; j0 < end; j0 = j1) {
      const auto next = [&](int64_t j) { return std::min(end, j + kLanes); };
      j1 = next(j0);
      const Span queries = Queries(j0, j1);
      while (j1 < end && Queries(j1, next(j1)) == queries) j1 = next(j1);
      run(j0, j1, queries);
    }
  }
  /// Calls run(query, count, j0, j1): queries whose keys among [begin, end) are [j0, j1).
  template <typename Run>
  void ForQueries(int64_t begin, int64_t end, Run run) const {
    const bool whole = Queries(begin, end) == Span{0, RoundUp(count)} && AllVisible(begin, end, 0) &&
                       AllVisible(begin, end, RoundUp(count) - kLanes);
    const int step = whole ? count : kLanes;
    for (int query = 0; query < count; query += step) {
      const int queries = std::min(step, count - query);
      const int64_t j0 = std::max(begin, first + query - size), j1 = std::min(end, first + query + queries + size);
      if (j0 < j1) run(query, queries, j0, j1);
    }
  }
};

/// Where one thread works on a block; the rows' length is kMaxDim, of which RoundUp(D) floats are used.
struct LocalScratch {
  alignas(64) float queries[kMaxDim * kBlock];  // transposed, [D, kBlock]
  alignas(64) float scores[kKeys * kBlock];     // [keys, queries], then softmax's weights
  alignas(64) float slopes[kKeys * kBlock];     // gradient of the weights, then of the scores
  alignas(64) float gradients[kMaxDim * kBlock];  // of the output, transposed
};

/// out [count, D] = softmax(scores) values, and log2 of each row's sum of 2^score; `scratch.queries` holds the queries
/// times log2(e) / sqrt(D). Keys are rows of D floats, values and out rows of whole vectors.
inline void Attend(LocalScratch &scratch, const Window &window, int dim, Rows keys, Rows values, Rows out,
                   float *log_sum) {
  const int padded = RoundUp(dim), lanes = RoundUp(window.count);
  alignas(64) float max[kBlock], sum[kBlock], scale[kBlock];
  std::fill_n(max, lanes, -FLT_MAX);
  std::fill_n(sum, lanes, 0.f);
  for (int i = 0; i < window.count; i++)
    for (int d = 0; d < padded; d += kLanes) Store(out[i] + d, Vec{});

  window.ForKeys(kKeys, [&](int64_t begin, int64_t end) {
    const auto scores = [&](int64_t j, int query) { return scratch.scores + (j - begin) * kBlock + query; };
    alignas(64) float new_max[kBlock];
    std::copy_n(max, lanes, new_max);
    window.ForRuns(begin, end, [&](int64_t j0, int64_t j1, Window::Span queries) {
      Product<false>(j1 - j0, queries.end - queries.begin, dim, {keys[j0], keys.stride, 1},
                     {scratch.queries + queries.begin, kBlock}, {scores(j0, queries.begin), kBlock});
      for (int query = queries.begin; query < queries.end; query += kLanes) {
        const bool all = window.AllVisible(j0, j1, query);
        Vec largest = Load(new_max + query);
        for (int64_t j = j0; j < j1; j++) {
          Vec score = Load(scores(j, query));
          if (!all) {
            score = window.Visible(j, query) ? score : Splat(-INFINITY);
            Store(scores(j, query), score);
          }
          largest = Max(score, largest);
        }
        Store(new_max + query, largest);
      }
    });
    // Earlier sums, if any, were relative to the smaller maximum.
    bool rescale = false;
    for (int query = 0; query < lanes; query += kLanes) {
      const Vec before = Load(max + query), now = Load(new_max + query);
      Store(scale + query, Exp2(before - now));
      for (int i = 0; i < kLanes; i++) rescale |= before[i] != -FLT_MAX && before[i] != now[i];
      Store(sum + query, Load(sum + query) * Load(scale + query));
      Store(max + query, now);
    }
    for (int i = 0; rescale && i < window.count; i++)
      for (int d = 0; d < padded; d += kLanes) Store(out[i] + d, Load(out[i] + d) * scale[i]);
    window.ForRuns(begin, end, [&](int64_t j0, int64_t j1, Window::Span queries) {
      for (int query = queries.begin; query < queries.end; query += kLanes) {
        const Vec largest = Load(max + query);
        Vec total = Load(sum + query);
        for (int64_t j = j0; j < j1; j++) {
          const Vec weight = Exp2(Load(scores(j, query)) - largest);
          Store(scores(j, query), weight);
          total += weight;
        }
        Store(sum + query, total);
      }
    });
    window.ForQueries(begin, end, [&](int query, int count, int64_t j0, int64_t j1) {
      Product<true>(count, padded, j1 - j0, {scores(j0, query), 1, kBlock}, {values[j0], values.stride},
                    {out[query], out.stride});
    });
  });
  for (int i = 0; i < window.count; i++) {
    log_sum[i] = max[i] + std::log2(sum[i]);
    const float inverse = 1 / sum[i];
    for (int d = 0; d < padded; d += kLanes) Store(out[i] + d, Load(out[i] + d) * inverse);
  }
}

/// Adds the gradients of a block: those of its queries to d_queries [count, D], and those of the keys and values that it
/// sees to their rows. `scratch.queries`, as in Attend, and `scratch.gradients` (of the output) are transposed; `queries` and
/// `gradients` are the same as rows, unscaled. delta is each row's gradient times output, summed; `scale` is 1 / sqrt(D). All
/// rows have whole vectors, except those of the values.
inline void AttendGrad(LocalScratch &scratch, const Window &window, int dim, Rows keys, Rows values, Rows queries,
                       Rows gradients, const float *log_sum, const float *delta, float scale, Rows d_queries,
                       Rows d_keys, Rows d_values) {
  const int padded = RoundUp(dim);
  constexpr int kStep = kKeys / 2;  // scores and slopes at a time
  window.ForKeys(kStep, [&](int64_t begin, int64_t end) {
    const auto at = [&](float *scores, int64_t j, int query) { return scores + (j - begin) * kBlock + query; };
    window.ForRuns(begin, end, [&](int64_t j0, int64_t j1, Window::Span span) {
      const int count = j1 - j0, width = span.end - span.begin;
      float *const weights = at(scratch.scores, j0, span.begin), *const slopes = at(scratch.slopes, j0, span.begin);
      Product<false>(count, width, dim, {keys[j0], keys.stride, 1}, {scratch.queries + span.begin, kBlock},
                     {weights, kBlock});
      Product<false>(count, width, dim, {values[j0], values.stride, 1}, {scratch.gradients + span.begin, kBlock},
                     {slopes, kBlock});
      for (int lane = 0; lane < width; lane += kLanes) {
        const int query = span.begin + lane;
        const bool all = window.AllVisible(j0, j1, query);
        const Vec total = Load(log_sum + query), mean = Load(delta + query);
        for (int j = 0; j < count; j++) {
          Vec weight = Exp2(Load(weights + j * kBlock + lane) - total);
          if (!all) weight = window.Visible(j0 + j, query) ? weight : Vec{};
          Store(weights + j * kBlock + lane, weight);
          Store(slopes + j * kBlock + lane, scale * weight * (Load(slopes + j * kBlock + lane) - mean));
        }
      }
      const int seen = std::min(span.end, window.count) - span.begin;
      Product<true>(count, padded, seen, {weights, kBlock, 1}, {gradients[span.begin], gradients.stride},
                    {d_values[j0], d_values.stride});
      Product<true>(count, padded, seen, {slopes, kBlock, 1}, {queries[span.begin], queries.stride},
                    {d_keys[j0], d_keys.stride});
    });
    window.ForQueries(begin, end, [&](int query, int count, int64_t j0, int64_t j1) {
      Product<true>(count, padded, j1 - j0, {at(scratch.slopes, j0, query), 1, kBlock}, {keys[j0], keys.stride},
                    {d_queries[query], d_queries.stride});
    });
  });
}

}  // namespace eflow
