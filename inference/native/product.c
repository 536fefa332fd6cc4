#include "product.h"

#include "vector.h"

typedef int8_t ByteVec __attribute__((vector_size(LANES)));
typedef float Four __attribute__((vector_size(16)));

/* One group in 8 bits; returns its scale. NaN must not become a number: its scale is NaN then. */
INLINE float to_bytes(const float *x, int8_t *to) {
    Vec most = {0}, strange = {0};
    for (int i = 0; i < GROUP; i += LANES) {
        Vec v = load(x + i), size = bits(as_int(v) & 0x7fffffff);
        IntVec more = size > most;
        strange = bits(as_int(strange) | (v != v));
        most = bits((as_int(size) & more) | (as_int(most) & ~more));
    }
    float greatest = 0, nan = 0;
    for (int lane = 0; lane < LANES; lane++) {
        greatest = most[lane] > greatest ? most[lane] : greatest;
        if (as_int(strange)[lane]) nan = NAN;
    }
    float inverse = greatest > 0 ? 127.0f / greatest : 0.0f;
    for (int i = 0; i < GROUP; i += LANES) { /* the sum has the whole number in its lowest bits */
        ByteVec bytes = __builtin_convertvector(as_int(load(x + i) * inverse + 12582912.0f), ByteVec);
        memcpy(to + i, &bytes, sizeof bytes);
    }
    return greatest / 127.0f + nan;
}

static void arrange_bytes(Input *input, int token, const float *x, int64_t in) {
    int64_t groups = input->in / GROUP;
    int8_t *to = input->bytes + token * input->in;
    float *scales = input->scales + token * groups;
    for (int64_t group = 0; group < groups; group++) {
        float last[GROUP] = {0};
        const float *from = x + group * GROUP;
        if ((group + 1) * GROUP > in) {
            if (group * GROUP < in) memcpy(last, from, (size_t)(in - group * GROUP) * sizeof *x);
            from = last;
        }
        scales[group] = to_bytes(from, to + group * GROUP);
    }
#if INT8_DOT
    int32_t *offsets = input->offsets + token * (input->in / 4);
    for (int64_t i = 0; i < input->in; i += 64) {
        __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8((char)input->offset), _mm512_loadu_si512(to + i));
        _mm512_storeu_si512(offsets + i / 4, _mm512_sub_epi32(_mm512_setzero_si512(), sums));
    }
#endif
}

void arrange(Input *input, int token, const float *x, int64_t in, int kind) {
    if (kind == F32 || (kind == BF16 && !BF16_DOT)) {
        memcpy(input->plain + token * input->in, x, (size_t)in * sizeof *x);
    } else if (kind == BF16) {
        uint16_t *to = input->halves + token * input->in;
        for (int64_t i = 0; i < in; i++) to[i] = to_bf16(x[i]);
    } else {
        arrange_bytes(input, token, x, in);
    }
}

/* ---- Products: ROWS rows of a matrix with TOKENS inputs, each number summed over `in` in the same order whatever ROWS and TOKENS are ---- */

enum { MOST_TOKENS = 8, MOST_ROWS = 4 };
/* What will be needed is asked of memory `ahead` bytes before (0: not at all).
   With few inputs the product waits for memory, which gives most when a thread reads at several places far apart: the rows of a tile lie `apart` rows from
   each other, and more inputs take longer for a byte, so more is asked for ahead. With many inputs the first tile asks for the rows of the next. */
INLINE int64_t ahead_of(const Input *x, int tokens, int first, int64_t next) {
    return x->few ? (tokens < 5 ? 1024 : 2048) : first ? next : 0;
}

INLINE void tile_f32(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out) {
    const float *w = (const float *)m->data + row * m->in, *y = x->plain + token * x->in;
    Vec acc[MOST_ROWS][MOST_TOKENS] = {0};
    int64_t k = 0, in = m->in;
    for (; k + LANES <= in; k += LANES) {
        Vec a[MOST_ROWS];
        UNROLL for (int r = 0; r < rows; r++) a[r] = load(w + r * apart * in + k);
        UNROLL for (int t = 0; t < tokens; t++) {
            Vec b = load(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] += a[r] * b;
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
        float s = sum(acc[r][t]);
        for (int64_t i = k; i < in; i++) s += w[r * apart * in + i] * y[t * x->in + i];
        out[t * MOST_ROWS + r] = s;
    }
}

#if BF16_DOT || INT8_DOT
/* The sums of four registers, each in the same order wherever it stands. */
INLINE __m128 sums(__m512 a, __m512 b, __m512 c, __m512 d) {
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)), cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512d x = _mm512_castps_pd(ab), y = _mm512_castps_pd(cd);
    __m512 all4 = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all4), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all4), 1)));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
#endif

#if BF16_DOT
INLINE void tile_bf16(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out) {
    const uint16_t *w = (const uint16_t *)m->data + row * m->in, *y = x->halves + token * x->in;
    __m512 acc[MOST_ROWS][MOST_TOKENS];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) acc[r][t] = _mm512_setzero_ps();
    int64_t k = 0, in = m->in;
    for (; k + 32 <= in; k += 32) {
        __m512bh a[MOST_ROWS];
        UNROLL for (int r = 0; r < rows; r++) {
            if (ahead) __builtin_prefetch((const char *)(w + r * apart * in + k) + ahead);
            a[r] = (__m512bh)_mm512_loadu_si512(w + r * apart * in + k);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512bh b = (__m512bh)_mm512_loadu_si512(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] = _mm512_dpbf16_ps(acc[r][t], a[r], b);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        for (int r = rows; r < MOST_ROWS; r++) acc[r][t] = _mm512_setzero_ps();
        _mm_storeu_ps(out + t * MOST_ROWS, sums(acc[0][t], acc[1][t], acc[2][t], acc[3][t]));
        for (int r = 0; r < rows; r++)
            for (int64_t i = k; i < in; i++) out[t * MOST_ROWS + r] += from_bf16(w[r * apart * in + i]) * from_bf16(y[t * x->in + i]);
    }
}
#else
INLINE void tile_bf16(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out) {
    const uint16_t *w = (const uint16_t *)m->data + row * m->in;
    const float *y = x->plain + token * x->in;
    Vec acc[MOST_ROWS][MOST_TOKENS] = {0};
    int64_t k = 0, in = m->in;
    for (; k + LANES <= in; k += LANES) {
        Vec a[MOST_ROWS];
        UNROLL for (int r = 0; r < rows; r++) a[r] = load_bf16(w + r * apart * in + k);
        UNROLL for (int t = 0; t < tokens; t++) {
            Vec b = load(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] += a[r] * b;
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
        float s = sum(acc[r][t]);
        for (int64_t i = k; i < in; i++) s += from_bf16(w[r * apart * in + i]) * y[t * x->in + i];
        out[t * MOST_ROWS + r] = s;
    }
}
#endif

/* float16 without the processor's help; scales are not infinite. */
INLINE float from_half(uint16_t h) {
    if (!(h & 0x7c00)) return (h & 0x8000 ? -1.0f : 1.0f) * (float)(h & 0x3ff) * 5.9604644775390625e-8f;
    uint32_t u = ((uint32_t)(h & 0x8000) << 16) | (((uint32_t)(h & 0x7fff) << 13) + 0x38000000);
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint16_t to_half(float f) { /* to the nearest; too great ones become the greatest */
    float most = fabsf(f);
    uint16_t sign = f < 0 ? 0x8000 : 0;
    if (most < 6.103515625e-5f) return sign | (uint16_t)(int)nearbyintf(most * 16777216.0f);
    if (most > 65504.0f) most = 65504.0f;
    uint32_t u;
    memcpy(&u, &most, 4);
    return sign | (uint16_t)((u - 0x38000000 + 0xfff + ((u >> 13) & 1)) >> 13);
}

#if INT8_DOT
/* BLOCK weights at a time: two registers of bytes, four scales. */
INLINE void tile_bytes(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out, int four_bits) {
    int64_t in = m->in, stride = four_bits ? in / 2 : in, groups = in / GROUP;
    const uint8_t *w = (const uint8_t *)m->data + row * stride;
    const uint16_t *scales = m->scales + row * groups;
    const int8_t *y = x->bytes + token * in;
    const float *y_scales = x->scales + token * groups;
    const int32_t *offsets = x->offsets + token * (in / 4);
    const __m512i first = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0), second = _mm512_add_epi32(first, _mm512_set1_epi32(2));
    const __m512i low = _mm512_set1_epi8(15);
    __m512 acc[MOST_ROWS][MOST_TOKENS];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) acc[r][t] = _mm512_setzero_ps();
    for (int64_t k = 0; k < in; k += BLOCK) {
        __m512i a[MOST_ROWS], b[MOST_ROWS];
        __m512 s[MOST_ROWS];
        UNROLL for (int r = 0; r < rows; r++) {
            if (ahead) {
                __builtin_prefetch(w + r * apart * stride + (four_bits ? k / 2 : k) + ahead);
                if (!four_bits) __builtin_prefetch(w + r * apart * stride + k + 64 + ahead);
            }
            if (four_bits) {
                __m512i both = _mm512_loadu_si512(w + r * apart * stride + k / 2);
                a[r] = _mm512_and_si512(both, low);
                b[r] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
            } else {
                a[r] = _mm512_loadu_si512(w + r * apart * stride + k);
                b[r] = _mm512_loadu_si512(w + r * apart * stride + k + 64);
            }
            s[r] = _mm512_castps128_ps512(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(scales + r * apart * groups + k / GROUP))));
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            const int8_t *yt = y + t * in + k;
            const int32_t *ot = offsets + t * (in / 4) + k / 4;
            __m512 ys = _mm512_castps128_ps512(_mm_loadu_ps(y_scales + t * groups + k / GROUP));
            __m512i ya = _mm512_loadu_si512(yt), yb = _mm512_loadu_si512(yt + 64), oa = _mm512_loadu_si512(ot), ob = _mm512_loadu_si512(ot + 16);
            UNROLL for (int r = 0; r < rows; r++) {
                __m512 scale = _mm512_mul_ps(s[r], ys);
                __m512 da = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(oa, a[r], ya)), db = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(ob, b[r], yb));
                acc[r][t] = _mm512_fmadd_ps(da, _mm512_permutexvar_ps(first, scale), acc[r][t]);
                acc[r][t] = _mm512_fmadd_ps(db, _mm512_permutexvar_ps(second, scale), acc[r][t]);
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        for (int r = rows; r < MOST_ROWS; r++) acc[r][t] = _mm512_setzero_ps();
        _mm_storeu_ps(out + t * MOST_ROWS, sums(acc[0][t], acc[1][t], acc[2][t], acc[3][t]));
    }
}
#else
INLINE void tile_bytes(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out, int four_bits) {
    int64_t in = m->in, stride = four_bits ? in / 2 : in, groups = in / GROUP;
    for (int r = 0; r < rows; r++) {
        float s[MOST_TOKENS] = {0};
        const uint8_t *w = (const uint8_t *)m->data + (row + r * apart) * stride;
        for (int64_t group = 0; group < groups; group++) {
            int8_t a[GROUP];
            if (four_bits) {
                const uint8_t *from = w + group / 4 * (BLOCK / 2) + group % 2 * GROUP;
                int shift = group % 4 >= 2 ? 4 : 0;
                for (int i = 0; i < GROUP; i++) a[i] = (int8_t)(((from[i] >> shift) & 15) - 8);
            } else {
                for (int i = 0; i < GROUP; i++) a[i] = (int8_t)(w[group * GROUP + i] - 128);
            }
            float scale = from_half(m->scales[(row + r * apart) * groups + group]);
            for (int t = 0; t < tokens; t++) {
                const int8_t *y = x->bytes + (token + t) * in + group * GROUP;
                int32_t dot = 0;
                for (int i = 0; i < GROUP; i++) dot += (int16_t)a[i] * (int16_t)y[i];
                s[t] += (float)dot * (scale * x->scales[(token + t) * groups + group]);
            }
        }
        for (int t = 0; t < tokens; t++) out[t * MOST_ROWS + r] = s[t];
    }
}
#endif

INLINE void tile(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, int tokens, float *out) {
    if (m->kind == F32) tile_f32(m, row, apart, ahead, rows, x, token, tokens, out);
    else if (m->kind == BF16) tile_bf16(m, row, apart, ahead, rows, x, token, tokens, out);
    else if (m->kind == INT8) tile_bytes(m, row, apart, ahead, rows, x, token, tokens, out, 0);
    else tile_bytes(m, row, apart, ahead, rows, x, token, tokens, out, 1);
}

/* So many sums as registers hold. */
#define TILE_ROWS(TOKENS) ((TOKENS) <= 6 ? 4 : 3)
/* One copy of the loops for each number of inputs, so that the sums stay in registers. */
#define TILE_OF(N) \
    static void tile_##N(const Matrix *m, int64_t row, int64_t apart, int64_t ahead, int rows, const Input *x, int token, float *out) { \
        if (rows == TILE_ROWS(N)) tile(m, row, apart, ahead, TILE_ROWS(N), x, token, N, out); \
        else if (rows == 3) tile(m, row, apart, ahead, 3, x, token, N, out); \
        else \
            for (int r = 0; r < rows; r++) { \
                float one[MOST_ROWS * MOST_TOKENS]; \
                tile(m, row + r * apart, 1, 0, 1, x, token, N, one); \
                for (int t = 0; t < N; t++) out[t * MOST_ROWS + r] = one[t * MOST_ROWS]; \
            } \
    }
TILE_OF(1) TILE_OF(2) TILE_OF(3) TILE_OF(4) TILE_OF(5) TILE_OF(6) TILE_OF(7) TILE_OF(8)
typedef void Tile(const Matrix *, int64_t, int64_t, int64_t, int, const Input *, int, float *);
static Tile *const TILES[] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8};

enum { TOKENS_IN_CACHE = 48 }; /* inputs that stay near while rows of the matrix pass by */

/* What came for some rows and one input goes to its place. */
INLINE void put(const Matrix *m, int64_t row, int64_t apart, int rows, const float *from, float *to, int add) {
    if (apart == 1 && rows == MOST_ROWS) {
        Four values, more;
        memcpy(&values, from, sizeof values);
        if (m->bias) memcpy(&more, m->bias + row, sizeof more), values += more;
        if (add) memcpy(&more, to + row, sizeof more), values = more + values;
        memcpy(to + row, &values, sizeof values);
    } else {
        for (int r = 0; r < rows; r++, row += apart) {
            float value = from[r] + (m->bias ? m->bias[row] : 0.0f);
            to[row] = add ? to[row] + value : value;
        }
    }
}

#if BF16_DOT
/* ---- Many inputs in bf16: the processor is what is waited for ---- */

/* A tile's weights stay in the nearest cache while NEAR inputs pass by, and those meanwhile in the second one. Rows that are too long for that are taken in
   blocks of at most LONGEST numbers: sums go on from where the last block left them, so in the same order as without blocks. */
enum { NEAR = 96, LONGEST = 1280, MANY_ROWS = 4, MANY_TOKENS = 6, MOST_TILES = NEAR / MANY_TOKENS };
typedef __m512 Carried[MANY_TOKENS][MANY_ROWS];

/* What one tile takes. */
typedef struct {
    const char *weights, *inputs; /* of four rows and some inputs, all of them `stride` bytes apart */
    int64_t stride, bytes;
    const char *next; /* what is needed soon is asked of memory from here on, `step` bytes with each register, so that memory is never asked for much at once */
    int64_t step;
} Block;

INLINE void block(const Block *at, int tokens, int begins, int ends, Carried carried, float *out) {
    __m512 acc[MANY_TOKENS][MANY_ROWS];
    const char *w = at->weights, *x = at->inputs, *next = at->next;
    int64_t stride = at->stride, step = at->step;
    const char *x3 = x + 3 * stride;
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int r = 0; r < MANY_ROWS; r++) acc[t][r] = begins ? _mm512_setzero_ps() : carried[t][r];
    for (const char *end = w + at->bytes; w < end; w += 64, x += 64, x3 += 64, next += step) {
        __m512bh a[MANY_ROWS];
        __builtin_prefetch(next);
        UNROLL for (int r = 0; r < MANY_ROWS; r++) a[r] = (__m512bh)_mm512_loadu_si512(w + r * stride);
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512bh b = (__m512bh)_mm512_loadu_si512(t < 3 ? x + t * stride : x3 + (t - 3) * stride);
            UNROLL for (int r = 0; r < MANY_ROWS; r++) acc[t][r] = _mm512_dpbf16_ps(acc[t][r], a[r], b);
        }
    }
    if (ends) UNROLL for (int t = 0; t < tokens; t++) _mm_storeu_ps(out + t * MOST_ROWS, sums(acc[t][0], acc[t][1], acc[t][2], acc[t][3]));
    else UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int r = 0; r < MANY_ROWS; r++) carried[t][r] = acc[t][r];
}

typedef void BlockOf(const Block *, Carried, float *);
#define BLOCK_OF(N) \
    static void inner_##N(const Block *at, Carried carried, float *out) { block(at, N, 0, 0, carried, out); } \
    static void first_##N(const Block *at, Carried carried, float *out) { block(at, N, 1, 0, carried, out); } \
    static void last_##N(const Block *at, Carried carried, float *out) { block(at, N, 0, 1, carried, out); } \
    static void whole_##N(const Block *at, Carried carried, float *out) { block(at, N, 1, 1, carried, out); }
BLOCK_OF(1) BLOCK_OF(2) BLOCK_OF(3) BLOCK_OF(4) BLOCK_OF(5) BLOCK_OF(6)
#define BLOCKS_OF(N) {inner_##N, first_##N, last_##N, whole_##N}
static BlockOf *const BLOCKS[][4] = {{NULL}, BLOCKS_OF(1), BLOCKS_OF(2), BLOCKS_OF(3), BLOCKS_OF(4), BLOCKS_OF(5), BLOCKS_OF(6)};

/* Four rows with up to NEAR inputs from `begin` on; `more`: four more rows come next. */
static void four_rows(const Matrix *m, int64_t row, int more, const Input *x, int begin, int count, float *to, int64_t stride, int add) {
    Carried carried[MOST_TILES];
    float out[MOST_ROWS * MANY_TOKENS];
    int64_t all = m->in * 2, blocks = (m->in + LONGEST - 1) / LONGEST, most = (all / blocks + 63) / 64 * 64;
    int tiles = (count + MANY_TOKENS - 1) / MANY_TOKENS, share = tiles % MANY_ROWS ? 1 : tiles / MANY_ROWS; /* so many tiles ask for one row of the next */
    const char *w = (const char *)m->data + row * all, *y = (const char *)(x->halves + begin * m->in);
    for (int64_t from = 0; from < all; from += most) {
        int ends = from + most >= all;
        int64_t bytes = ends ? all - from : most, then = ends ? MANY_ROWS * all : from + most;
        for (int i = 0, token = 0; i < tiles; i++) {
            int some = count * (i + 1) / tiles - count * i / tiles, asks = i / share < MANY_ROWS && (!ends || more);
            const char *next = asks ? w + i / share * all + then + i % share * bytes / share : w + from;
            Block at = {w + from, y + token * all + from, all, bytes, next, 64 / share};
            BLOCKS[some][(from == 0) + 2 * ends](&at, carried[i], out);
            for (int t = 0; ends && t < some; t++) put(m, row, 1, MANY_ROWS, out + t * MOST_ROWS, to + (begin + token + t) * stride, add);
            token += some;
        }
    }
}

static void product_of_many(const Matrix *m, int64_t first, int64_t end, const Input *x, int tokens, float *to, int64_t stride, int add) {
    for (int begin = 0; begin < tokens; begin += NEAR)
        for (int64_t row = first; row < end; row += MANY_ROWS)
            four_rows(m, row, row + 2 * MANY_ROWS <= end, x, begin, tokens - begin < NEAR ? tokens - begin : NEAR, to, stride, add);
}
#endif

void product(const Matrix *m, int64_t first, int64_t end, const Input *x, int tokens, float *to, int64_t stride, int add) {
    float out[MOST_ROWS * MOST_TOKENS];
#if BF16_DOT
    if (m->kind == BF16 && !x->few && m->in % 32 == 0 && (end - first) % MANY_ROWS == 0) {
        product_of_many(m, first, end, x, tokens, to, stride, add);
        return;
    }
#endif
    for (int begin = 0; begin < tokens; begin += TOKENS_IN_CACHE) {
        int near = tokens - begin < TOKENS_IN_CACHE ? tokens - begin : TOKENS_IN_CACHE, most = x->few ? 8 : 6;
        int tiles = (near + most - 1) / most, height = TILE_ROWS((near + tiles - 1) / tiles);
        int64_t wholes = (end - first) / height, apart = x->few && wholes ? wholes : 1;
        for (int64_t n = 0; n * height < end - first; n++) {
            int64_t row = n < wholes && x->few ? first + n : first + n * height, step = n < wholes ? apart : 1;
            int rows = n < wholes ? height : (int)(end - row);
            for (int i = 0, token = begin; i < tiles; i++) {
                int count = (near * (i + 1)) / tiles - (near * i) / tiles;
                TILES[count](m, row, step, ahead_of(x, count, i == 0 && begin == 0, height * row_bytes(m)), rows, x, token, out);
                for (int t = 0; t < count; t++, token++) put(m, row, step, rows, out + t * MOST_ROWS, to + token * stride, add);
            }
        }
    }
}

void embed(const Matrix *m, int64_t token, float *to, int64_t size) {
    for (int64_t i = 0; i < size; i++) {
        if (m->kind == F32) to[i] = ((const float *)m->data)[token * m->in + i];
        else if (m->kind == BF16) to[i] = from_bf16(((const uint16_t *)m->data)[token * m->in + i]);
        else {
            float scale = from_half(m->scales[token * (m->in / GROUP) + i / GROUP]);
            int value;
            if (m->kind == INT8) value = ((const uint8_t *)m->data)[token * m->in + i] - 128;
            else {
                const uint8_t *block = (const uint8_t *)m->data + token * (m->in / 2) + i / BLOCK * (BLOCK / 2);
                value = ((block[i % 64] >> (i % BLOCK >= 64 ? 4 : 0)) & 15) - 8;
            }
            to[i] = scale * (float)value;
        }
    }
}

/* ---- Quantising ---- */

enum { SCALES_TRIED = 16 };

/* The squared error of a group in so many bits with this scale; writes the numbers where `to` is given. */
static float rounded(const float *x, float scale, float low, float high, float *to) {
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    Vec lost = {0};
    for (int i = 0; i < GROUP; i += LANES) {
        Vec numbers = load(x + i) * inverse;
        IntVec less = numbers < low, more = numbers > high;
        numbers = bits((as_int(numbers) & ~less & ~more) | (as_int(all(low)) & less) | (as_int(all(high)) & more));
        numbers = (numbers + 12582912.0f) - 12582912.0f; /* to the nearest whole number, ties to even */
        Vec miss = numbers * scale - load(x + i);
        lost += miss * miss;
        if (to) store(to + i, numbers);
    }
    return sum(lost);
}

/* 8 bits: the greatest becomes 127. 4 bits: it becomes -8 (there is no +8), or a little more or less than that, whichever loses least. */
static uint16_t best_scale(const float *x, int bits) {
    float most = 0;
    for (int i = 0; i < GROUP; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    if (bits == 8) return to_half(fabsf(most) / 127.0f);
    uint16_t best = to_half(most / -8.0f);
    float least = INFINITY;
    for (int step = 0; step < SCALES_TRIED; step++) {
        uint16_t scale = to_half(most / -(8.8f - 0.1f * (float)step));
        float lost = rounded(x, from_half(scale), -8, 7, NULL);
        if (lost < least) least = lost, best = scale;
    }
    return best;
}

/* Packs `out` rows of `in` weights (kind F32 or BF16) into 8 or 4 bits. `data` and `scales`: as in Matrix. */
void llmsite_pack(const void *weights, int kind, int64_t out, int64_t in, int bits, uint8_t *data, uint16_t *scales) {
    int64_t padded = (in + BLOCK - 1) / BLOCK * BLOCK, groups = padded / GROUP;
    for (int64_t row = 0; row < out; row++)
        for (int64_t group = 0; group < groups; group++) {
            float x[GROUP], numbers[GROUP];
            for (int i = 0; i < GROUP; i++) {
                int64_t at = group * GROUP + i;
                x[i] = at >= in ? 0 : kind == F32 ? ((const float *)weights)[row * in + at] : from_bf16(((const uint16_t *)weights)[row * in + at]);
            }
            uint16_t scale = scales[row * groups + group] = best_scale(x, bits);
            rounded(x, from_half(scale), bits == 8 ? -127 : -8, bits == 8 ? 127 : 7, numbers);
            uint8_t *to = bits == 8 ? data + row * padded + group * GROUP : data + row * (padded / 2) + group / 4 * (BLOCK / 2) + group % 2 * GROUP;
            for (int i = 0; i < GROUP; i++) {
                if (bits == 8) to[i] = (uint8_t)((int)numbers[i] + 128);
                else if (group % 4 < 2) to[i] = (uint8_t)((int)numbers[i] + 8);
                else to[i] |= (uint8_t)(((int)numbers[i] + 8) << 4);
            }
        }
}
