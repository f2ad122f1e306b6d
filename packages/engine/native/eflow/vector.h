// Vectors of floats in the compiler's own extension (GCC and Clang, any CPU), and the small matrix products that all
// kernels are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace eflow {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kColumns = 4;  // kColumns vectors of a tile's row: 24 sums and their factors fill 32 registers
#elif defined(__AVX__)
constexpr int kLanes = 8, kColumns = 2;  // 16 registers
#else
constexpr int kLanes = 4, kColumns = 4;
#endif
constexpr int kTileRows = kColumns == 4 ? 6 : 4;

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t IntVec __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef float UnalignedVec __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

inline Vec Load(const float *p) { return *reinterpret_cast<const UnalignedVec *>(p); }
inline void Store(float *p, Vec x) { *reinterpret_cast<UnalignedVec *>(p) = x; }
/// The first n numbers of a vector, n from 1 to kLanes, and 0 in the other lanes; only those are read or written.
#if defined(__AVX512F__)
inline Vec LoadFirst(const float *p, int n) { return _mm512_maskz_loadu_ps((1u << n) - 1, p); }
inline void StoreFirst(float *p, Vec x, int n) { _mm512_mask_storeu_ps(p, (1u << n) - 1, x); }
#else
inline Vec LoadFirst(const float *p, int n) {
  Vec x{};
  std::memcpy(&x, p, n * sizeof(float));
  return x;
}
inline void StoreFirst(float *p, Vec x, int n) { std::memcpy(p, &x, n * sizeof(float)); }
#endif

/// Copies n numbers, which short rows are too few of for a call of memcpy.
inline void Copy(const float *from, int n, float *to) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(to + i, Load(from + i));
  if (i < n) StoreFirst(to + i, LoadFirst(from + i, n - i), n - i);
}

/// Makes the rest 0 of a row of whole vectors, of which n numbers count.
inline void ClearRest(float *row, int n) {
  if (n % kLanes != 0) StoreFirst(row + n, Vec{}, kLanes - n % kLanes);
}

/// Copies n numbers to a row of whole vectors, whose rest becomes 0.
inline void CopyPadded(const float *from, int n, float *to) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(to + i, Load(from + i));
  if (i < n) Store(to + i, LoadFirst(from + i, n - i));
}

/// Adds n numbers to others.
inline void Add(const float *from, int n, float *to) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(to + i, Load(to + i) + Load(from + i));
  if (i < n) StoreFirst(to + i, LoadFirst(to + i, n - i) + LoadFirst(from + i, n - i), n - i);
}

inline Vec Splat(float x) { return Vec{} + x; }
inline Vec Max(Vec a, Vec b) { return a > b ? a : b; }

inline float Sum(Vec x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(x);
#else
  float lanes[kLanes];
  Store(lanes, x);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) lanes[i] += lanes[i + n];
  return lanes[0];
#endif
}

inline int RoundUp(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

/// 2^x for x <= 127, within 2e-7 of it relative; 0 below -126, and NaN for NaN. The polynomial is the Taylor series of
/// 2^f for |f| <= 1/2.
inline Vec Exp2(Vec x) {
  const Vec magic = Splat(12582912.f);  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Vec shifted = x + magic;
  const Vec f = x - (shifted - magic);
  Vec p = Splat(1.5403530393381608e-4f);
  p = p * f + 1.3333558146428443e-3f;
  p = p * f + 9.618129107628477e-3f;
  p = p * f + 5.5504108664821580e-2f;
  p = p * f + 2.4022650695910072e-1f;
  p = p * f + 6.9314718055994531e-1f;
  p = p * f + 1.f;
  const IntVec power = (IntVec)shifted << 23;  // the magic's own bits are shifted out
  const Vec result = (Vec)((IntVec)p + power);
  return x < -126.f ? Vec{} : result;
}

/// A matrix in memory: element (i, j) is data[i * rows + j * columns].
struct Strided {
  const float *data;
  ptrdiff_t rows, columns;
};

/// Rows of floats.
struct Rows {
  float *data;
  ptrdiff_t stride;
  float *operator[](ptrdiff_t i) const { return data + i * stride; }
};

/// A tile of R rows and V vectors. Unrolled, so that GCC keeps its sums in registers from the first load to the last store.
template <int R, int V, bool Add>
__attribute__((always_inline)) inline void ProductTile(int depth, Strided a, const float *b, ptrdiff_t b_stride,
                                                       float *c, ptrdiff_t c_stride) {
  Vec sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) sums[r][v] = Add ? Load(c + r * c_stride + v * kLanes) : Vec{};
  for (int k = 0; k < depth; k++) {
    Vec row[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) row[v] = Load(b + k * b_stride + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const float x = a.data[r * a.rows + k * a.columns];
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) sums[r][v] += x * row[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) Store(c + r * c_stride + v * kLanes, sums[r][v]);
}

template <int V, bool Add>
inline void ProductColumns(int m, int depth, Strided a, const float *b, ptrdiff_t b_stride, float *c,
                           ptrdiff_t c_stride) {
  constexpr int kTall = kTileRows * (V == 1 ? 2 : kColumns / V);
  const auto tiles = [&](auto rows) {
    constexpr int R = decltype(rows)::value;
    for (; m >= R; m -= R) {
      ProductTile<R, V, Add>(depth, a, b, b_stride, c, c_stride);
      a.data += R * a.rows;
      c += R * c_stride;
    }
  };
  tiles(std::integral_constant<int, kTall>());
  if (kTall > kTileRows) tiles(std::integral_constant<int, kTileRows>());
  if (kTileRows > 4) tiles(std::integral_constant<int, 4>());
  tiles(std::integral_constant<int, 2>());
  tiles(std::integral_constant<int, 1>());
}

/// c [m, n] = a [m, depth] b [depth, n], or += with Add; n is a multiple of kLanes.
template <bool Add>
inline void Product(int m, int n, int depth, Strided a, Rows b, Rows c) {
  int column = 0;
  const auto columns = [&](auto vectors) {
    constexpr int V = decltype(vectors)::value;
    for (; n - column >= V * kLanes; column += V * kLanes)
      ProductColumns<V, Add>(m, depth, a, b.data + column, b.stride, c.data + column, c.stride);
  };
  columns(std::integral_constant<int, kColumns>());
  if (kColumns > 3) columns(std::integral_constant<int, 3>());
  if (kColumns > 2) columns(std::integral_constant<int, 2>());
  columns(std::integral_constant<int, 1>());
}

}  // namespace eflow
