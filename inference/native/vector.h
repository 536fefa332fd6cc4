/* Registers of floats as the processor has them, by GCC's vector types, which clang knows too. */

#ifndef LLMSITE_VECTOR_H
#define LLMSITE_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL _Pragma("unroll")
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define BF16_DOT 1
#else
#define BF16_DOT 0
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define INT8_DOT 1
#else
#define INT8_DOT 0
#endif

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t IntVec __attribute__((vector_size(LANES * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(LANES * 2)));

INLINE Vec load(const float *p) { Vec v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, Vec v) { memcpy(p, &v, sizeof v); }
INLINE Vec all(float x) { return x - (Vec){0}; }
INLINE Vec bits(IntVec v) { Vec f; memcpy(&f, &v, sizeof f); return f; }
INLINE IntVec as_int(Vec v) { IntVec i; memcpy(&i, &v, sizeof i); return i; }
INLINE Vec load_bf16(const uint16_t *p) {
    HalfVec h;
    memcpy(&h, p, sizeof h);
    return bits(__builtin_convertvector(h, IntVec) << 16);
}
INLINE float from_bf16(uint16_t h) { uint32_t u = (uint32_t)h << 16; float f; memcpy(&f, &u, 4); return f; }
INLINE uint16_t to_bf16(float f) { /* to the nearest, ties to even */
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

INLINE float sum(Vec v) { /* the halves are folded onto each other */
#if LANES == 16
    return _mm512_reduce_add_ps((__m512)v);
#else
    float x[LANES];
    memcpy(x, &v, sizeof x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) x[i] += x[i + half];
    return x[0];
#endif
}

/* e^x within 2 units of the last place (the polynomial of Cephes' expf). -inf gives 0, more than 88 gives e^88, NaN stays NaN. */
INLINE Vec vexp(Vec x) {
    IntVec tiny = x < -87.0f, huge = x > 88.0f;
    x = bits((as_int(x) & ~huge) | (as_int(all(88.0f)) & huge));
    Vec n = x * 1.44269504f + 12582912.0f;
    IntVec power = as_int(n) << 23;
    n -= 12582912.0f;
    Vec r = x - n * 0.693359375f;
    r -= n * -2.12194440e-4f;
    Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return bits((as_int(p) + power) & ~tiny);
}

#endif
