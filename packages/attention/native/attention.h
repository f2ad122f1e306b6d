// Attention and its gradient over all heads: softmax attention within a window (`local`), linear attention, or both mixed
// by a gate (Gated Local-Global Attention, EFlow, arXiv 2603.27086).
#pragma once

#include <vector>

#include "eflow/pool.h"
#include "linear.h"
#include "local.h"

namespace eflow {

struct Problem {
  int64_t examples, heads_per_example, length;
  int dim;
  bool local, linear;     // both: mixed by the gate
  int64_t window;         // tokens per side that a query sees
  const int32_t *blocks;  // [B, N, blocks, num_blocks] blocks of keys that each block of queries sees, or null for all
  int64_t num_blocks;
  FeatureMap map;
  const float *q, *k, *v;  // [B, N, L, D]
  const float *gate;       // [B, N, L, 1], or null
  const float *cos, *sin;  // [L, D] or [B, L, D], or null
  bool rotary_per_example;

  int64_t heads() const { return examples * heads_per_example; }
  int64_t blocks_per_head() const { return (length + kBlock - 1) / kBlock; }
  int padded() const { return RoundUp(dim); }
  int64_t head_size() const { return length * dim; }
  Window WindowOf(int64_t head, int64_t first, int count) const {
    const int64_t block = head * blocks_per_head() + first / kBlock;
    return {first, count, window, length, blocks ? blocks + block * num_blocks : nullptr, num_blocks};
  }
  Rotary RotaryOf(int64_t head) const {
    const int64_t offset = rotary_per_example ? head / heads_per_example * head_size() : 0;
    return cos ? Rotary{cos + offset, sin + offset} : Rotary{};
  }
  /// Parts to cut each head into, so that all threads have work.
  int64_t Parts() const {
    const int64_t threads = Pool::Get().threads();
    int64_t parts = 1;
    while (parts < blocks_per_head() && heads() * parts < 4 * threads && heads() * parts % threads != 0) parts++;
    return parts;
  }
};

/// What the forward pass gives; null where the problem does not have it.
struct Result {
  float *output;   // [B, N, L, D]
  float *log_sum;  // [B, N, L], local: log2 of the sum of 2^score
  float *local;    // [B, N, L, D], both branches: the local one alone
  float *state;    // [B, N, StateSize(D)], linear
};

struct Gradients {
  float *q, *k, *v, *gate;  // gate: null unless both
};

/// A part of a head: the blocks [begin, end).
struct Part {
  int64_t index, head, begin, end;
};

/// The part `index` of all heads' parts, each head cut into `parts`.
inline Part PartAt(const Problem &problem, int64_t index, int64_t parts) {
  const int64_t part = index % parts, blocks = problem.blocks_per_head();
  return {index, index / parts, blocks * part / parts, blocks * (part + 1) / parts};
}

/// Calls work(part) for all heads, each cut into `parts`, on all threads.
template <typename Work>
void ForParts(const Problem &problem, int64_t parts, Work work) {
  Pool::Get().Run(problem.heads() * parts, [&](int64_t index) { work(PartAt(problem, index, parts)); });
}

/// Calls work(first token, count) for the part's blocks.
template <typename Work>
void ForBlocks(const Problem &problem, const Part &part, Work work) {
  for (int64_t block = part.begin; block < part.end; block++) {
    const int64_t first = block * kBlock;
    work(first, static_cast<int>(std::min<int64_t>(kBlock, problem.length - first)));
  }
}

/// Where one thread works; about a megabyte, kept while the thread lives.
struct Scratch {
  LocalScratch local;
  LinearScratch linear;
  alignas(64) float queries[kBlock * kMaxDim], output[kBlock * kMaxDim], gradients[kBlock * kMaxDim];
  static Scratch &Mine() {
    static thread_local std::unique_ptr<Scratch> scratch(new Scratch);
    return *scratch;
  }
};

/// A head's keys or values as the products need them: in place, or turned or padded into a copy.
class Tokens {
 public:
  Tokens(const Problem &problem, const float *data, bool turn, bool pad)
      : problem_(problem),
        data_(data),
        turn_(turn && problem.cos),
        copied_(turn_ || (pad && problem.padded() != problem.dim)) {
    if (copied_) copy_ = Allocate(problem.heads() * problem.length * problem.padded());
  }
  void Fill(const Part &part) {
    if (!copied_) return;
    const Rotary rotary = turn_ ? problem_.RotaryOf(part.head) : Rotary{};
    ForBlocks(problem_, part, [&](int64_t first, int count) {
      CopyRows(data_ + part.head * problem_.head_size(), first, count, problem_.dim, rotary,
               {Of(part.head)[first], problem_.padded()});
    });
  }
  bool copied() const { return copied_; }
  Rows Of(int64_t head) const {
    if (copied_) return {copy_.get() + head * problem_.length * problem_.padded(), problem_.padded()};
    return {const_cast<float *>(data_) + head * problem_.head_size(), problem_.dim};
  }

 private:
  const Problem &problem_;
  const float *data_;
  bool turn_, copied_;
  Buffer copy_;
};

/// Adds the states of a head's other parts to that of its first.
inline void AddStates(float *parts, int64_t count, int64_t size) {
  for (int64_t part = 1; part < count; part++)
    for (int64_t i = 0; i < size; i++) parts[i] += parts[part * size + i];
}

inline void Forward(const Problem &problem, const Result &result) {
  const int dim = problem.dim, padded = problem.padded();
  const int64_t parts = problem.Parts(), state_size = StateSize(dim);
  Tokens keys(problem, problem.k, problem.local, false), values(problem, problem.v, false, true);
  Buffer states;
  if (problem.linear) states = Allocate(problem.heads() * parts * state_size);

  const auto prepare = [&](const Part &part) {
    if (problem.local) keys.Fill(part);
    values.Fill(part);
    if (!problem.linear) return;
    LinearScratch &scratch = Scratch::Mine().linear;
    const State state = StateAt(states.get() + part.index * state_size, dim);
    std::fill_n(state.products.data, state_size, 0.f);
    const Rows rows = values.Of(part.head);
    ForBlocks(problem, part, [&](int64_t first, int count) {
      AddToState(scratch, problem.map, problem.k + part.head * problem.head_size(), {rows[first], rows.stride}, first,
                 count, dim, problem.RotaryOf(part.head), state);
    });
  };
  const auto sum_states = [&](const Part &head) {
    if (!problem.linear) return;
    float *const first = states.get() + head.head * parts * state_size;
    AddStates(first, parts, state_size);
    std::copy_n(first, state_size, result.state + head.head * state_size);
  };
  const auto attend_block = [&](const Part &part, int64_t first, int count) {
    Scratch &scratch = Scratch::Mine();
    const Rotary rotary = problem.RotaryOf(part.head);
    const int64_t token = part.head * problem.length + first;
    const float *const q = problem.q + part.head * problem.head_size();
    // Where a branch's rows go: to the result itself, or first to rows of whole vectors.
    const auto rows_of = [&](float *result, float *rows) {
      return padded == dim ? Rows{result + token * dim, dim} : Rows{rows, padded};
    };
    const auto copy = [&](Rows rows, float *result) {
      for (int i = 0; padded != dim && i < count; i++) Copy(rows[i], dim, result + (token + i) * dim);
    };
    float *const local = problem.linear ? result.local : result.output;
    const Rows local_rows = rows_of(local, scratch.output), linear_rows = rows_of(result.output, scratch.gradients);
    if (problem.local) {
      const Rows queries = LoadRows(q, first, count, dim, rotary, scratch.queries);
      Transpose(queries, count, dim, kLog2E / std::sqrt(static_cast<float>(dim)), scratch.local.queries);
      Attend(scratch.local, problem.WindowOf(part.head, first, count), dim, keys.Of(part.head),
             values.Of(part.head), local_rows, result.log_sum + token);
      copy(local_rows, local);
    }
    if (!problem.linear) return;
    const State state = StateAt(result.state + part.head * state_size, dim);
    const Rows turned = ReadFeatures(scratch.linear, problem.map, q, first, count, dim, rotary, state);
    ReadState(scratch.linear, turned, count, dim, state, linear_rows);
    for (int i = 0; problem.local && i < count; i++) {
      const float gate = problem.gate[token + i];
      for (int d = 0; d < padded; d += kLanes) {
        const Vec there = Load(linear_rows[i] + d), here = Load(local_rows[i] + d);
        Store(linear_rows[i] + d, here + gate * (there - here));
      }
    }
    copy(linear_rows, result.output);
  };
  const auto attend = [&](const Part &part) {
    ForBlocks(problem, part, [&](int64_t first, int count) { attend_block(part, first, count); });
  };

  if (parts == 1 && problem.linear) {  // a head's keys are read twice: while they are near
    ForParts(problem, 1, [&](const Part &head) {
      prepare(head);
      sum_states(head);
      attend(head);
    });
    return;
  }
  if (problem.linear || keys.copied() || values.copied()) ForParts(problem, parts, prepare);
  if (problem.linear) ForParts(problem, 1, sum_states);
  ForParts(problem, problem.blocks_per_head(), attend);
}

/// The gradients of all inputs from `d_output` and what Forward gave, of which the output is not used if there are both
/// branches.
inline void Backward(const Problem &problem, const Result &result, const float *d_output, const Gradients &gradients) {
  const int dim = problem.dim, padded = problem.padded();
  const bool both = problem.local && problem.linear;
  const float scale = 1 / std::sqrt(static_cast<float>(dim));
  const int64_t parts = problem.Parts(), state_size = StateSize(dim), length = problem.length;
  const int64_t window = problem.window;

  Tokens keys(problem, problem.k, problem.local, true);
  // Each part adds to the keys and values that its queries see: in the gradients themselves if it is alone with them.
  const bool in_place = parts == 1 && padded == dim;
  const auto first_seen = [&](const Part &part) { return std::max<int64_t>(0, part.begin * kBlock - window); };
  const auto last_seen = [&](const Part &part) { return std::min(length, part.end * kBlock + window); };
  std::vector<Buffer> sums(problem.local && !in_place ? problem.heads() * parts : 0);
  Buffer d_states, transposed, d_transposed;
  if (problem.linear) {
    d_states = Allocate(problem.heads() * parts * state_size);
    transposed = Allocate(problem.heads() * dim * padded);
    d_transposed = Allocate(problem.heads() * dim * padded);
  }

  const auto prepare = [&](const Part &part) {
    if (problem.local) keys.Fill(part);
    if (problem.linear && part.begin == 0)
      TransposeProducts(StateAt(result.state + part.head * state_size, dim).products, dim,
                        {transposed.get() + part.head * dim * padded, padded});
  };
  const auto queries_of = [&](const Part &part) {
    Scratch &scratch = Scratch::Mine();
    const Rotary rotary = problem.RotaryOf(part.head);
    const float *const q = problem.q + part.head * problem.head_size();
    const Rows head_keys = keys.Of(part.head);
    const Rows head_values{const_cast<float *>(problem.v) + part.head * problem.head_size(), dim};
    Rows d_keys{gradients.k + part.head * problem.head_size(), padded};
    Rows d_values{gradients.v + part.head * problem.head_size(), padded};
    if (problem.local) {
      const int64_t size = (last_seen(part) - first_seen(part)) * padded;
      if (in_place) {
        std::fill_n(d_keys.data, size, 0.f);
        std::fill_n(d_values.data, size, 0.f);
      } else {
        Buffer &sum = sums[part.index] = Buffer(new float[2 * size]());
        d_keys.data = sum.get() - first_seen(part) * padded;
        d_values.data = sum.get() + size - first_seen(part) * padded;
      }
    }
    const State state = StateAt(result.state + part.head * state_size, dim);
    const State d_state = StateAt(d_states.get() + part.index * state_size, dim);
    if (problem.linear) std::fill_n(d_state.products.data, state_size, 0.f);

    ForBlocks(problem, part, [&](int64_t first, int count) {
      const int64_t token = part.head * length + first;
      const Rows slopes{scratch.gradients, padded}, output{scratch.output, padded};
      CopyRows(d_output, token, count, dim, {}, slopes);
      CopyRows(both ? result.local : result.output, token, count, dim, {}, output);
      // Each row's gradient times the branch's output.
      alignas(64) float delta[kBlock] = {}, linear_delta[kBlock], log_sum[kBlock] = {};
      for (int i = 0; i < count; i++) delta[i] = linear_delta[i] = Dot(slopes[i], output[i], padded);

      if (problem.linear) {
        const Rows turned = ReadFeatures(scratch.linear, problem.map, q, first, count, dim, rotary, state);
        if (both) {
          ReadState(scratch.linear, turned, count, dim, state, output);
          for (int i = 0; i < count; i++) {
            const float gate = problem.gate[token + i];
            linear_delta[i] = Dot(slopes[i], output[i], padded);
            gradients.gate[token + i] = linear_delta[i] - delta[i];
            linear_delta[i] *= gate;
            delta[i] *= 1 - gate;
            for (int d = 0; d < padded; d += kLanes) {
              const Vec slope = Load(slopes[i] + d), linear = gate * slope;
              Store(output[i] + d, linear);
              Store(slopes[i] + d, slope - linear);
            }
          }
        }
        ReadStateGrad(scratch.linear, problem.map, turned, both ? output : slopes, linear_delta, first, count, dim,
                      rotary, state, {transposed.get() + part.head * dim * padded, padded}, d_state);
      }
      if (problem.local) {
        std::copy_n(result.log_sum + token, count, log_sum);
        const Rows queries{scratch.queries, padded};
        CopyRows(q, first, count, dim, rotary, queries);
        Transpose(queries, count, dim, kLog2E * scale, scratch.local.queries);
        Transpose(slopes, count, dim, 1, scratch.local.gradients);
        std::fill_n(output.data, count * padded, 0.f);
        AttendGrad(scratch.local, problem.WindowOf(part.head, first, count), dim, head_keys, head_values, queries,
                   slopes, log_sum, delta, scale, output, d_keys, d_values);
      }
      for (int i = 0; i < count; i++) {
        float *const d_query = gradients.q + (token + i) * dim;
        const float *const linear = scratch.linear.slopes + i * padded;
        if (!problem.local) Copy(linear, dim, d_query);
        else if (rotary.cos) Turn(rotary, first + i, dim, -1, output[i], d_query);
        else Copy(output[i], dim, d_query);
        if (both) Add(linear, dim, d_query);
      }
    });
  };
  const auto sum_states = [&](const Part &head) {
    if (!problem.linear) return;
    float *const first = d_states.get() + head.head * parts * state_size;
    AddStates(first, parts, state_size);
    TransposeProducts(StateAt(first, dim).products, dim, {d_transposed.get() + head.head * dim * padded, padded});
  };
  const auto keys_of = [&](const Part &part) {
    if (problem.local && in_place && !problem.linear && !problem.cos) return;
    Scratch &scratch = Scratch::Mine();
    const Rotary rotary = problem.RotaryOf(part.head);
    const float *const k = problem.k + part.head * problem.head_size();
    const Rows values{const_cast<float *>(problem.v) + part.head * problem.head_size(), dim};
    ForBlocks(problem, part, [&](int64_t first, int count) {
      const int64_t token = part.head * length + first;
      const Rows d_keys{scratch.queries, padded}, d_values{scratch.output, padded};
      const State d_state = StateAt(d_states.get() + part.head * parts * state_size, dim);
      if (problem.local && in_place) {
        CopyRows(gradients.k, token, count, dim, {}, d_keys);
        CopyRows(gradients.v, token, count, dim, {}, d_values);
      } else {
        std::fill_n(d_keys.data, count * padded, 0.f);
        std::fill_n(d_values.data, count * padded, 0.f);
      }
      for (int64_t i = 0; i < static_cast<int64_t>(sums.size()) / problem.heads(); i++) {
        const Part other = PartAt(problem, part.head * parts + i, parts);
        const int64_t begin = first_seen(other), size = (last_seen(other) - begin) * padded;
        for (int64_t j = std::max(first, begin); j < std::min(first + count, last_seen(other)); j++) {
          const float *const row = sums[other.index].get() + (j - begin) * padded;
          AddTimes(1, row, d_keys[j - first], padded);
          AddTimes(1, row + size, d_values[j - first], padded);
        }
      }
      if (problem.linear)
        AddToStateGrad(scratch.linear, problem.map, k, {values[first], dim}, first, count, dim, rotary, d_state,
                       {d_transposed.get() + part.head * dim * padded, padded});
      for (int i = 0; i < count; i++) {
        float *const d_key = gradients.k + (token + i) * dim, *const d_value = gradients.v + (token + i) * dim;
        if (rotary.cos && problem.local) Turn(rotary, first + i, dim, -1, d_keys[i], d_key);
        else Copy(d_keys[i], dim, d_key);
        Copy(d_values[i], dim, d_value);
        if (!problem.linear) continue;
        Add(scratch.linear.slopes + i * padded, dim, d_key);
        Add(scratch.linear.result + i * padded, dim, d_value);
      }
    });
  };

  if (parts == 1) {
    ForParts(problem, 1, [&](const Part &head) {
      prepare(head);
      queries_of(head);
      sum_states(head);
      keys_of(head);
    });
    return;
  }
  if (problem.linear || keys.copied()) ForParts(problem, parts, prepare);
  ForParts(problem, parts, queries_of);
  if (problem.linear) ForParts(problem, 1, sum_states);
  ForParts(problem, parts, keys_of);
}

}  // namespace eflow
