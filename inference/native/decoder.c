/* One forward pass of a decoder of the Llama kind (Llama, Mistral, Qwen2, Qwen3 and what is built like them) on a CPU.

   Every token of a pass has a row of the cache and a place in it: prompts in pieces, and one token each of many answers, go through together, and the
   weights are read once for all of them. Each number is summed in one order that does not depend on who else is in the pass, nor on the pieces in
   which a prompt is read: what an answer becomes does not depend on its company.

   Compiled on the user's computer for its own processor by inference/native_build.py; plain C11 with GCC's vector types, which clang knows too, and
   two instructions (bf16 and int8 dot products) by name where the processor has them. */

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* ---- Threads ---- */

typedef void Work(void *context, int part, int thread);

enum { SPINS = 4000 };

typedef struct {
    int count; /* with the caller */
    pthread_t *threads;
    _Atomic uint64_t ticket; /* the number of the job, and how many of its parts nobody has taken: one word, so that no one takes a part of the next job */
    _Atomic int done, asleep, closing;
    Work *work;
    void *context;
    int parts;
    pthread_mutex_t lock;
    pthread_cond_t called;
    _Atomic int names;
} Pool;

INLINE void rest(void) {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_parts(Pool *pool, uint32_t job, int thread) {
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while ((uint32_t)(ticket >> 32) == job && (uint32_t)ticket != 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1, memory_order_acq_rel, memory_order_acquire)) continue;
        pool->work(pool->context, pool->parts - (int)(uint32_t)ticket, thread);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
}

static void *helper(void *argument) {
    Pool *pool = argument;
    int thread = atomic_fetch_add(&pool->names, 1);
    uint32_t seen = 0;
    while (!atomic_load(&pool->closing)) {
        uint32_t job = (uint32_t)(atomic_load_explicit(&pool->ticket, memory_order_acquire) >> 32);
        for (int i = 0; i < SPINS && job == seen; i++) {
            rest();
            job = (uint32_t)(atomic_load_explicit(&pool->ticket, memory_order_acquire) >> 32);
        }
        if (job == seen) { /* nothing for a while: give the core to others */
            pthread_mutex_lock(&pool->lock);
            atomic_fetch_add(&pool->asleep, 1);
            while ((uint32_t)(atomic_load(&pool->ticket) >> 32) == seen && !atomic_load(&pool->closing)) pthread_cond_wait(&pool->called, &pool->lock);
            atomic_fetch_sub(&pool->asleep, 1);
            pthread_mutex_unlock(&pool->lock);
            continue;
        }
        seen = job;
        take_parts(pool, job, thread);
    }
    return NULL;
}

static void call_all(Pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->called);
    pthread_mutex_unlock(&pool->lock);
}

/* Does all parts. Whoever has a core takes them; a helper that has none delays nobody, unless it lost it in the middle of one. */
static void share(Pool *pool, Work *work, void *context, int parts) {
    if (pool->count == 1 || parts == 1) {
        for (int part = 0; part < parts; part++) work(context, part, 0);
        return;
    }
    pool->work = work;
    pool->context = context;
    pool->parts = parts;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    uint32_t job = (uint32_t)(atomic_load(&pool->ticket) >> 32) + 1;
    if (job == 0) job = 1;
    atomic_store(&pool->ticket, ((uint64_t)job << 32) | (uint32_t)parts);
    if (atomic_load(&pool->asleep)) call_all(pool);
    take_parts(pool, job, 0);
    while (atomic_load_explicit(&pool->done, memory_order_acquire) < parts) rest();
}

static int pool_open(Pool *pool, int count) {
    pool->count = 1;
    atomic_store(&pool->names, 1);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->called, NULL);
    pool->threads = calloc((size_t)count, sizeof *pool->threads);
    if (!pool->threads) return 0;
    for (; pool->count < count; pool->count++)
        if (pthread_create(&pool->threads[pool->count - 1], NULL, helper, pool)) break;
    return 1;
}

static void pool_close(Pool *pool) {
    atomic_store(&pool->closing, 1);
    call_all(pool);
    for (int i = 1; i < pool->count; i++) pthread_join(pool->threads[i - 1], NULL);
    free(pool->threads);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->called);
}

/* ---- Weights, and what they are multiplied with ---- */

enum { F32, BF16, INT8, INT4 };
enum { GROUP = 32, BLOCK = 128 }; /* weights that share a scale; weights that are packed together */

typedef struct {
    const void *data;       /* F32, BF16: [out, in]. INT8: [out, in] as unsigned, 128 above. INT4: [out, in / 2], see inference/native_weights.py */
    const uint16_t *scales; /* [out, in / GROUP], float16; NULL where weights are not quantised */
    const float *bias;      /* [out] or NULL */
    int64_t out, in;        /* quantised: `in` is a multiple of BLOCK, filled up with zeros */
    int32_t kind, unused;
} Matrix;

/* The inputs of a product, arranged for one kind of weights. */
typedef struct {
    float *plain;     /* [tokens, in] */
    uint16_t *halves; /* [tokens, in], bf16 */
    int8_t *bytes;    /* [tokens, in] */
    float *scales;    /* [tokens, in / GROUP] */
    int32_t *offsets; /* [tokens, in / 4]: what the 128 (or 8) above zero of each weight adds, to take off, by four inputs */
    int64_t in;
    int offset;
} Input;

INLINE int takes_halves(int kind) { return kind == BF16 && BF16_DOT; }

static void arrange(Input *input, int token, const float *x, int64_t in, int kind) {
    if (kind == F32 || (kind == BF16 && !BF16_DOT)) {
        memcpy(input->plain + token * input->in, x, (size_t)in * sizeof *x);
    } else if (kind == BF16) {
        uint16_t *to = input->halves + token * input->in;
        for (int64_t i = 0; i < in; i++) to[i] = to_bf16(x[i]);
    } else {
        for (int64_t group = 0; group < input->in / GROUP; group++) {
            int64_t begin = group * GROUP, end = begin + GROUP < in ? begin + GROUP : in;
            int8_t *to = input->bytes + token * input->in + begin;
            int32_t *offsets = input->offsets + (token * input->in + begin) / 4;
            float most = 0;
            for (int64_t i = begin; i < end; i++) most = fmaxf(most, fabsf(x[i]));
            for (int64_t i = begin; i < end; i++) if (x[i] != x[i]) most = x[i]; /* NaN must not become a number */
            float scale = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0.0f;
            input->scales[token * (input->in / GROUP) + group] = scale;
            memset(to, 0, GROUP);
            for (int64_t i = begin; i < end; i++) to[i - begin] = (int8_t)(int)nearbyintf(x[i] * inverse);
            for (int i = 0; i < GROUP / 4; i++) offsets[i] = -input->offset * (to[4 * i] + to[4 * i + 1] + to[4 * i + 2] + to[4 * i + 3]);
        }
    }
}

/* ---- Products: ROWS rows of a matrix with TOKENS inputs, each number summed over `in` in the same order whatever ROWS and TOKENS are ---- */

enum { MOST_TOKENS = 6 };

INLINE void tile_f32(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out) {
    const float *w = (const float *)m->data + row * m->in, *y = x->plain + token * x->in;
    Vec acc[4][MOST_TOKENS] = {0};
    int64_t k = 0, in = m->in;
    for (; k + LANES <= in; k += LANES) {
        Vec a[4];
        UNROLL for (int r = 0; r < rows; r++) a[r] = load(w + r * in + k);
        UNROLL for (int t = 0; t < tokens; t++) {
            Vec b = load(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] += a[r] * b;
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
        float s = sum(acc[r][t]);
        for (int64_t i = k; i < in; i++) s += w[r * in + i] * y[t * x->in + i];
        out[r * MOST_TOKENS + t] = s;
    }
}

#if BF16_DOT
INLINE void tile_bf16(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out) {
    const uint16_t *w = (const uint16_t *)m->data + row * m->in, *y = x->halves + token * x->in;
    __m512 acc[4][MOST_TOKENS];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) acc[r][t] = _mm512_setzero_ps();
    int64_t k = 0, in = m->in;
    for (; k + 32 <= in; k += 32) {
        __m512bh a[4];
        UNROLL for (int r = 0; r < rows; r++) a[r] = (__m512bh)_mm512_loadu_si512(w + r * in + k);
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512bh b = (__m512bh)_mm512_loadu_si512(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] = _mm512_dpbf16_ps(acc[r][t], a[r], b);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
        float s = _mm512_reduce_add_ps(acc[r][t]);
        for (int64_t i = k; i < in; i++) s += from_bf16(w[r * in + i]) * from_bf16(y[t * x->in + i]);
        out[r * MOST_TOKENS + t] = s;
    }
}
#else
INLINE void tile_bf16(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out) {
    const uint16_t *w = (const uint16_t *)m->data + row * m->in;
    const float *y = x->plain + token * x->in;
    Vec acc[4][MOST_TOKENS] = {0};
    int64_t k = 0, in = m->in;
    for (; k + LANES <= in; k += LANES) {
        Vec a[4];
        UNROLL for (int r = 0; r < rows; r++) a[r] = load_bf16(w + r * in + k);
        UNROLL for (int t = 0; t < tokens; t++) {
            Vec b = load(y + t * x->in + k);
            UNROLL for (int r = 0; r < rows; r++) acc[r][t] += a[r] * b;
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
        float s = sum(acc[r][t]);
        for (int64_t i = k; i < in; i++) s += from_bf16(w[r * in + i]) * y[t * x->in + i];
        out[r * MOST_TOKENS + t] = s;
    }
}
#endif

/* float16 without the processor's help: scales are neither infinite nor, but for 0, too small to be normal. */
INLINE float from_half(uint16_t h) {
    uint32_t u = ((uint32_t)(h & 0x8000) << 16) | ((h & 0x7fff) ? ((uint32_t)(h & 0x7fff) << 13) + 0x38000000 : 0);
    float f;
    memcpy(&f, &u, 4);
    return f;
}

#if INT8_DOT
/* BLOCK weights at a time: two registers of bytes, four scales. */
INLINE void tile_bytes(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out, int four_bits) {
    int64_t in = m->in, stride = four_bits ? in / 2 : in, groups = in / GROUP;
    const uint8_t *w = (const uint8_t *)m->data + row * stride;
    const uint16_t *scales = m->scales + row * groups;
    const int8_t *y = x->bytes + token * in;
    const float *y_scales = x->scales + token * groups;
    const int32_t *offsets = x->offsets + token * (in / 4);
    const __m512i first = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0), second = _mm512_add_epi32(first, _mm512_set1_epi32(2));
    const __m512i low = _mm512_set1_epi8(15);
    __m512 acc[4][MOST_TOKENS];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) acc[r][t] = _mm512_setzero_ps();
    for (int64_t k = 0; k < in; k += BLOCK) {
        __m512i a[4], b[4];
        __m512 s[4];
        UNROLL for (int r = 0; r < rows; r++) {
            if (four_bits) {
                __m512i both = _mm512_loadu_si512(w + r * stride + k / 2);
                a[r] = _mm512_and_si512(both, low);
                b[r] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
            } else {
                a[r] = _mm512_loadu_si512(w + r * stride + k);
                b[r] = _mm512_loadu_si512(w + r * stride + k + 64);
            }
            s[r] = _mm512_castps128_ps512(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(scales + r * groups + k / GROUP))));
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
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) out[r * MOST_TOKENS + t] = _mm512_reduce_add_ps(acc[r][t]);
}
#else
INLINE void tile_bytes(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out, int four_bits) {
    int64_t in = m->in, stride = four_bits ? in / 2 : in, groups = in / GROUP;
    for (int r = 0; r < rows; r++) {
        float s[MOST_TOKENS] = {0};
        const uint8_t *w = (const uint8_t *)m->data + (row + r) * stride;
        for (int64_t group = 0; group < groups; group++) {
            int8_t a[GROUP];
            if (four_bits) {
                const uint8_t *from = w + group / 4 * (BLOCK / 2) + group % 2 * GROUP;
                int shift = group % 4 >= 2 ? 4 : 0;
                for (int i = 0; i < GROUP; i++) a[i] = (int8_t)(((from[i] >> shift) & 15) - 8);
            } else {
                for (int i = 0; i < GROUP; i++) a[i] = (int8_t)(w[group * GROUP + i] - 128);
            }
            float scale = from_half(m->scales[(row + r) * groups + group]);
            for (int t = 0; t < tokens; t++) {
                const int8_t *y = x->bytes + (token + t) * in + group * GROUP;
                int32_t dot = 0;
                for (int i = 0; i < GROUP; i++) dot += (int16_t)a[i] * (int16_t)y[i];
                s[t] += (float)dot * (scale * x->scales[(token + t) * groups + group]);
            }
        }
        for (int t = 0; t < tokens; t++) out[r * MOST_TOKENS + t] = s[t];
    }
}
#endif

INLINE void tile(const Matrix *m, int64_t row, int rows, const Input *x, int token, int tokens, float *out) {
    if (m->kind == F32) tile_f32(m, row, rows, x, token, tokens, out);
    else if (m->kind == BF16) tile_bf16(m, row, rows, x, token, tokens, out);
    else if (m->kind == INT8) tile_bytes(m, row, rows, x, token, tokens, out, 0);
    else tile_bytes(m, row, rows, x, token, tokens, out, 1);
}

/* One copy of the loops for each number of inputs, so that the sums stay in registers. */
#define TILE_OF(N) \
    static void tile_##N(const Matrix *m, int64_t row, int rows, const Input *x, int token, float *out) { \
        if (rows == 4) tile(m, row, 4, x, token, N, out); \
        else for (int r = 0; r < rows; r++) tile(m, row + r, 1, x, token, N, out + r * MOST_TOKENS); \
    }
TILE_OF(1) TILE_OF(2) TILE_OF(3) TILE_OF(4) TILE_OF(5) TILE_OF(6)
typedef void Tile(const Matrix *, int64_t, int, const Input *, int, float *);
static Tile *const TILES[] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};

enum { TOKENS_IN_CACHE = 48 }; /* inputs that stay near while rows of the matrix pass by */

typedef void Take(void *to, int64_t row, int token, float value);

/* Rows first … end-1 with all tokens; result (row, token) goes to to[token * stride + row], or is added there. */
static void product(const Matrix *m, int64_t first, int64_t end, const Input *x, int tokens, float *to, int64_t stride, int add) {
    float out[4 * MOST_TOKENS];
    for (int begin = 0; begin < tokens; begin += TOKENS_IN_CACHE) {
        int near = tokens - begin < TOKENS_IN_CACHE ? tokens - begin : TOKENS_IN_CACHE;
        int tiles = (near + MOST_TOKENS - 1) / MOST_TOKENS;
        for (int64_t row = first; row < end; row += 4) {
            int rows = end - row < 4 ? (int)(end - row) : 4;
            for (int i = 0, token = begin; i < tiles; i++) {
                int count = (near * (i + 1)) / tiles - (near * i) / tiles;
                TILES[count](m, row, rows, x, token, out);
                for (int t = 0; t < count; t++, token++)
                    for (int r = 0; r < rows; r++) {
                        float value = out[r * MOST_TOKENS + t] + (m->bias ? m->bias[row + r] : 0.0f);
                        float *place = to + token * stride + row + r;
                        *place = add ? *place + value : value;
                    }
            }
        }
    }
}

/* ---- The decoder ---- */

typedef struct {
    Matrix q, k, v, o, gate, up, down;
    const float *before_attention, *before_mlp; /* [hidden]: RMSNorm weights */
    const float *q_norm, *k_norm;               /* [head] or NULL */
} Layer;

typedef struct {
    int32_t layers, heads, kv_heads, head, hidden, inner, vocabulary, threads;
    float epsilon, rope_scale;
    int32_t cache_kind, unused; /* F32 or BF16 */
    Matrix embedding, output;
    const float *frequencies; /* [head / 2] */
    const float *last_norm;   /* [hidden] */
    const Layer *layer;
} Shape;

/* The cache: for each layer keys [rows, kv heads, head, places] and values [rows, kv heads, places, head]; `places` is a multiple of 32. */
typedef struct {
    void *const *keys, *const *values;
    int64_t places;
} Cache;

typedef struct {
    Shape shape;
    Pool pool;
    int capacity;    /* tokens */
    int64_t widest;  /* inputs of the widest matrix, filled up to whole blocks */
    int64_t longest; /* places for scores */
    float *x, *normed, *q, *k, *v, *mixed, *inner, *cosines, *scores;
    Input input;
} Decoder;

/* What the parts of a job need. */
typedef struct {
    Decoder *d;
    const Layer *layer;
    const Cache *cache;
    int index, count, part_rows;
    const int32_t *rows, *places;
    const int *outputs;
    float *logits;
} Job;

static void *room(size_t bytes) {
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 64) ? NULL : p;
}

static void drop_buffers(Decoder *d) {
    float *all_[] = {d->x, d->normed, d->q, d->k, d->v, d->mixed, d->inner, d->cosines};
    for (size_t i = 0; i < sizeof all_ / sizeof *all_; i++) free(all_[i]);
    free(d->input.plain); free(d->input.halves); free(d->input.bytes); free(d->input.scales); free(d->input.offsets);
    d->x = d->normed = d->q = d->k = d->v = d->mixed = d->inner = d->cosines = NULL;
    memset(&d->input, 0, sizeof d->input);
    d->capacity = 0;
}

static int make_room(Decoder *d, int tokens, int64_t places) {
    const Shape *s = &d->shape;
    if (places > d->longest) {
        free(d->scores);
        d->longest = 0;
        d->scores = room((size_t)(s->threads * 8 * (places + 2 * LANES)) * sizeof(float));
        if (!d->scores) return 0;
        d->longest = places;
    }
    if (tokens <= d->capacity) return 1;
    drop_buffers(d);
    size_t n = (size_t)tokens, f = sizeof(float), wide = n * (size_t)d->widest;
    d->x = room(n * s->hidden * f);
    d->normed = room(n * s->hidden * f);
    d->q = room(n * s->heads * s->head * f);
    d->k = room(n * s->kv_heads * s->head * f);
    d->v = room(n * s->kv_heads * s->head * f);
    d->mixed = room(n * s->heads * s->head * f);
    d->inner = room(2 * n * s->inner * f);
    d->cosines = room(n * s->head * f);
    d->input.plain = room(wide * f);
    d->input.halves = room(wide * 2);
    d->input.bytes = room(wide);
    d->input.scales = room(wide / GROUP * f);
    d->input.offsets = room(wide);
    if (!(d->x && d->normed && d->q && d->k && d->v && d->mixed && d->inner && d->cosines && d->input.plain && d->input.halves && d->input.bytes &&
          d->input.scales && d->input.offsets)) {
        drop_buffers(d);
        return 0;
    }
    d->capacity = tokens;
    return 1;
}

static void rms_norm(float *to, const float *x, const float *weight, int64_t size, float epsilon) {
    Vec squares = {0};
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) squares += load(x + i) * load(x + i);
    float total = sum(squares);
    for (; i < size; i++) total += x[i] * x[i];
    float scale = 1.0f / sqrtf(total / (float)size + epsilon);
    for (i = 0; i < size; i++) to[i] = x[i] * scale * weight[i];
}

static void embed(const Matrix *m, int64_t token, float *to, int64_t hidden) {
    for (int64_t i = 0; i < hidden; i++) {
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

/* Arranges `count` inputs [count, in] for a kind of weights; many of them in parts. */
typedef struct { Decoder *d; const float *x; const float *norm; int64_t in; int kind, count, per_part; } Arrange;

static void arrange_part(void *context, int part, int thread) {
    Arrange *a = context;
    (void)thread;
    int first = part * a->per_part, end = first + a->per_part < a->count ? first + a->per_part : a->count;
    for (int token = first; token < end; token++) {
        const float *x = a->x + token * a->in;
        if (a->norm) {
            float *normed = a->d->normed + token * a->in;
            rms_norm(normed, x, a->norm, a->in, a->d->shape.epsilon);
            x = normed;
        }
        arrange(&a->d->input, token, x, a->in, a->kind);
    }
}

static void arrange_all(Decoder *d, const float *x, const float *norm, const Matrix *m, int64_t in, int count) {
    d->input.in = m->in;
    d->input.offset = m->kind == INT8 ? 128 : 8;
    Arrange a = {d, x, norm, in, m->kind, count, 4};
    share(&d->pool, arrange_part, &a, (count + 3) / 4);
}

static int64_t total_rows(int rows_per_part, int64_t rows) { return (rows + rows_per_part - 1) / rows_per_part; }

/* Rows of a matrix that one part of a job does: enough to be worth taking, few enough that all threads get some. */
static int part_size(const Matrix *m, int count) {
    int64_t bytes = m->kind == F32 ? m->in * 4 : m->kind == BF16 ? m->in * 2 : m->kind == INT8 ? m->in : m->in / 2;
    int64_t rows = (count > 8 ? 16384 : 49152) / (bytes ? bytes : 1);
    rows = rows / LANES * LANES; /* whole registers: the ends of a part are not computed otherwise than its middle */
    return rows < LANES ? LANES : rows > 256 ? 256 : (int)rows;
}

static void rotate(float *x, const float *cosines, int half) {
    const float *sines = cosines + half;
    for (int i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosines[i] - b * sines[i];
        x[i + half] = b * cosines[i] + a * sines[i];
    }
}

static void place_token(Job *job, int token) {
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    const Layer *layer = job->layer;
    int head = s->head, half = head / 2;
    const float *cosines = d->cosines + (int64_t)token * head;
    for (int h = 0; h < s->heads; h++) {
        float *q = d->q + ((int64_t)token * s->heads + h) * head;
        if (layer->q_norm) rms_norm(q, q, layer->q_norm, head, s->epsilon);
        rotate(q, cosines, half);
    }
    int64_t places = job->cache->places, place = job->places[token];
    for (int h = 0; h < s->kv_heads; h++) {
        float *k = d->k + ((int64_t)token * s->kv_heads + h) * head, *v = d->v + ((int64_t)token * s->kv_heads + h) * head;
        if (layer->k_norm) rms_norm(k, k, layer->k_norm, head, s->epsilon);
        rotate(k, cosines, half);
        int64_t at = ((int64_t)job->rows[token] * s->kv_heads + h) * head * places;
        if (s->cache_kind == F32) {
            float *keys = (float *)job->cache->keys[job->index] + at, *values = (float *)job->cache->values[job->index] + at;
            for (int i = 0; i < head; i++) keys[i * places + place] = k[i];
            memcpy(values + place * head, v, (size_t)head * sizeof *v);
        } else {
            uint16_t *keys = (uint16_t *)job->cache->keys[job->index] + at, *values = (uint16_t *)job->cache->values[job->index] + at;
            for (int i = 0; i < head; i++) keys[i * places + place] = to_bf16(k[i]);
            for (int i = 0; i < head; i++) values[place * head + i] = to_bf16(v[i]);
        }
    }
}

static void place_part(void *context, int part, int thread) {
    Job *job = context;
    (void)thread;
    for (int token = part * 8; token < job->count && token < part * 8 + 8; token++) place_token(job, token);
}

/* Attention of up to 8 queries to one head of one row: scores of all places first, then their softmax, then the values, so that the order of the
   sums does not depend on the pieces in which the prompt was read. */
INLINE void scores_of(const void *keys, int bf16, int64_t places, int head, const float *const *q, int queries, float scale, float *scores, int64_t stride, int64_t length) {
    for (int64_t p = 0; p < length; p += 2 * LANES) {
        Vec acc[8][2] = {0};
        for (int i = 0; i < head; i++) {
            Vec a, b;
            if (bf16) {
                const uint16_t *k = (const uint16_t *)keys + i * places + p;
                a = load_bf16(k), b = load_bf16(k + LANES);
            } else {
                const float *k = (const float *)keys + i * places + p;
                a = load(k), b = load(k + LANES);
            }
            UNROLL for (int n = 0; n < queries; n++) acc[n][0] += a * q[n][i], acc[n][1] += b * q[n][i];
        }
        UNROLL for (int n = 0; n < queries; n++) store(scores + n * stride + p, acc[n][0] * scale), store(scores + n * stride + p + LANES, acc[n][1] * scale);
    }
}

/* `width`: so many registers of a head at a time. */
INLINE void some_values(const void *values, int bf16, int head, int i, int width, int queries, const float *scores, int64_t stride, int64_t length, float *const *to) {
    Vec acc[8][2] = {0};
    for (int64_t p = 0; p < length; p++) {
        Vec v[2];
        UNROLL for (int w = 0; w < width; w++) v[w] = bf16 ? load_bf16((const uint16_t *)values + p * head + i + w * LANES) : load((const float *)values + p * head + i + w * LANES);
        UNROLL for (int n = 0; n < queries; n++) UNROLL for (int w = 0; w < width; w++) acc[n][w] += v[w] * scores[n * stride + p];
    }
    UNROLL for (int n = 0; n < queries; n++) UNROLL for (int w = 0; w < width; w++) store(to[n] + i + w * LANES, acc[n][w]);
}

INLINE void values_of(const void *values, int bf16, int head, int queries, const float *scores, int64_t stride, int64_t length, float *const *to) {
    int i = 0;
    for (; i + 2 * LANES <= head; i += 2 * LANES) some_values(values, bf16, head, i, 2, queries, scores, stride, length, to);
    if (i < head) some_values(values, bf16, head, i, 1, queries, scores, stride, length, to);
}

#define QUERIES(N) \
    static void scores_##N(const void *k, int bf16, int64_t places, int head, const float *const *q, float scale, float *s, int64_t stride, int64_t length) { \
        if (bf16) scores_of(k, 1, places, head, q, N, scale, s, stride, length); else scores_of(k, 0, places, head, q, N, scale, s, stride, length); \
    } \
    static void values_##N(const void *v, int bf16, int head, const float *s, int64_t stride, int64_t length, float *const *to) { \
        if (bf16) values_of(v, 1, head, N, s, stride, length, to); else values_of(v, 0, head, N, s, stride, length, to); \
    }
QUERIES(1) QUERIES(2) QUERIES(3) QUERIES(4) QUERIES(5) QUERIES(6) QUERIES(7) QUERIES(8)
typedef void Scores(const void *, int, int64_t, int, const float *const *, float, float *, int64_t, int64_t);
typedef void Values(const void *, int, int, const float *, int64_t, int64_t, float *const *);
static Scores *const SCORES[] = {NULL, scores_1, scores_2, scores_3, scores_4, scores_5, scores_6, scores_7, scores_8};
static Values *const VALUES[] = {NULL, values_1, values_2, values_3, values_4, values_5, values_6, values_7, values_8};

/* In place over `length` scores; those behind, up to `end`, become 0. */
static void softmax(float *scores, int64_t length, int64_t end) {
    float most = scores[0];
    for (int64_t i = 0; i < length; i++) most = scores[i] > most || scores[i] != scores[i] ? scores[i] : most;
    for (int64_t i = length; i < ((length + LANES - 1) / LANES) * LANES; i++) scores[i] = -INFINITY;
    Vec total = {0};
    for (int64_t i = 0; i < length; i += LANES) {
        Vec e = vexp(load(scores + i) - most);
        store(scores + i, e);
        total += e;
    }
    float scale = 1.0f / sum(total);
    for (int64_t i = 0; i < length; i++) scores[i] *= scale;
    for (int64_t i = length; i < end; i++) scores[i] = 0;
}

/* Queries that look at the same keys go together: the heads of one group, and neighbouring tokens of one prompt. */
static int together(const Shape *s) {
    int group = s->heads / s->kv_heads;
    return group >= 8 ? 1 : 8 / group;
}

typedef struct { Job *job; int groups; int *begin, *size; } Attention;

static void attend_some(Job *job, int kv_head, int token, int tokens, int first_head, int heads, int thread) {
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    int head = s->head, group = s->heads / s->kv_heads, queries = tokens * heads, bf16 = s->cache_kind == BF16;
    int64_t stride = d->longest + 2 * LANES, longest = job->places[token + tokens - 1] + 1, places = job->cache->places;
    float *scores = d->scores + (int64_t)thread * 8 * stride;
    const float *q[8];
    float *to[8];
    for (int t = 0, n = 0; t < tokens; t++)
        for (int h = 0; h < heads; h++, n++) {
            int64_t at = ((int64_t)(token + t) * s->heads + kv_head * group + first_head + h) * head;
            q[n] = d->q + at;
            to[n] = d->mixed + at;
        }
    int64_t at = ((int64_t)job->rows[token] * s->kv_heads + kv_head) * head * places * (bf16 ? 2 : 4);
    SCORES[queries]((const char *)job->cache->keys[job->index] + at, bf16, places, head, q, 1.0f / sqrtf((float)head), scores, stride, longest);
    for (int t = 0, n = 0; t < tokens; t++)
        for (int h = 0; h < heads; h++, n++) softmax(scores + n * stride, job->places[token + t] + 1, longest);
    VALUES[queries]((const char *)job->cache->values[job->index] + at, bf16, head, scores, stride, longest, to);
}

static void attend_part(void *context, int part, int thread) {
    Attention *a = context;
    const Shape *s = &a->job->d->shape;
    int kv_head = part % s->kv_heads, one = part / s->kv_heads, group = s->heads / s->kv_heads;
    for (int first = 0; first < group; first += 8)
        attend_some(a->job, kv_head, a->begin[one], a->size[one], first, group - first < 8 ? group - first : 8, thread);
}

static void attend(Job *job, int *scratch) {
    Attention a = {job, 0, scratch, scratch + job->count};
    int most = together(&job->d->shape);
    for (int token = 0; token < job->count; token++) {
        int last = a.groups - 1;
        if (last >= 0 && a.size[last] < most && job->rows[token] == job->rows[token - 1] && job->places[token] == job->places[token - 1] + 1) a.size[last]++;
        else a.begin[a.groups] = token, a.size[a.groups++] = 1;
    }
    share(&job->d->pool, attend_part, &a, a.groups * job->d->shape.kv_heads);
}

static void qkv_part(void *context, int part, int thread) {
    Job *job = context;
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    const Matrix *matrices[] = {&job->layer->q, &job->layer->k, &job->layer->v};
    float *to[] = {d->q, d->k, d->v};
    int64_t strides[] = {(int64_t)s->heads * s->head, (int64_t)s->kv_heads * s->head, (int64_t)s->kv_heads * s->head};
    (void)thread;
    for (int i = 0; i < 3; i++) {
        int parts = (int)total_rows(job->part_rows, matrices[i]->out);
        if (part < parts) {
            int64_t first = (int64_t)part * job->part_rows, end = first + job->part_rows < matrices[i]->out ? first + job->part_rows : matrices[i]->out;
            product(matrices[i], first, end, &d->input, job->count, to[i], strides[i], 0);
            return;
        }
        part -= parts;
    }
}

static void o_part(void *context, int part, int thread) {
    Job *job = context;
    const Matrix *m = &job->layer->o;
    int64_t first = (int64_t)part * job->part_rows, end = first + job->part_rows < m->out ? first + job->part_rows : m->out;
    (void)thread;
    product(m, first, end, &job->d->input, job->count, job->d->x, job->d->shape.hidden, 1);
}

static void down_part(void *context, int part, int thread) {
    Job *job = context;
    const Matrix *m = &job->layer->down;
    int64_t first = (int64_t)part * job->part_rows, end = first + job->part_rows < m->out ? first + job->part_rows : m->out;
    (void)thread;
    product(m, first, end, &job->d->input, job->count, job->d->x, job->d->shape.hidden, 1);
}

static void mlp_part(void *context, int part, int thread) {
    Job *job = context;
    Decoder *d = job->d;
    int64_t inner = d->shape.inner, first = (int64_t)part * job->part_rows, end = first + job->part_rows < inner ? first + job->part_rows : inner;
    float *gate = d->inner, *up = d->inner + (int64_t)d->capacity * inner;
    (void)thread;
    product(&job->layer->gate, first, end, &d->input, job->count, gate, inner, 0);
    product(&job->layer->up, first, end, &d->input, job->count, up, inner, 0);
    for (int token = 0; token < job->count; token++) {
        float *g = gate + token * inner, *u = up + token * inner;
        int64_t i = first;
        for (; i + LANES <= end; i += LANES) {
            Vec x = load(g + i);
            store(g + i, x / (1.0f + vexp(-x)) * load(u + i));
        }
        for (; i < end; i++) g[i] = g[i] / (1.0f + expf(-g[i])) * u[i];
    }
}

static void output_part(void *context, int part, int thread) {
    Job *job = context;
    const Matrix *m = &job->d->shape.output;
    int64_t first = (int64_t)part * job->part_rows, end = first + job->part_rows < m->out ? first + job->part_rows : m->out;
    (void)thread;
    product(m, first, end, &job->d->input, job->count, job->logits, job->d->shape.vocabulary, 0);
}

static void run_layer(Job *job, int index, int *scratch) {
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    const Layer *layer = job->layer = s->layer + index;
    int count = job->count;
    job->index = index;
    arrange_all(d, d->x, layer->before_attention, &layer->q, s->hidden, count);
    job->part_rows = part_size(&layer->q, count);
    int64_t parts = total_rows(job->part_rows, layer->q.out) + total_rows(job->part_rows, layer->k.out) + total_rows(job->part_rows, layer->v.out);
    share(&d->pool, qkv_part, job, (int)parts);
    share(&d->pool, place_part, job, (count + 7) / 8);
    attend(job, scratch);
    arrange_all(d, d->mixed, NULL, &layer->o, (int64_t)s->heads * s->head, count);
    job->part_rows = part_size(&layer->o, count);
    share(&d->pool, o_part, job, (int)total_rows(job->part_rows, layer->o.out));
    arrange_all(d, d->x, layer->before_mlp, &layer->gate, s->hidden, count);
    job->part_rows = part_size(&layer->gate, count);
    share(&d->pool, mlp_part, job, (int)total_rows(job->part_rows, s->inner));
    arrange_all(d, d->inner, NULL, &layer->down, s->inner, count);
    job->part_rows = part_size(&layer->down, count);
    share(&d->pool, down_part, job, (int)total_rows(job->part_rows, layer->down.out));
}

/* ---- What Python calls ---- */

Decoder *llmsite_decoder_new(const Shape *shape) {
    Decoder *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->shape = *shape;
    int64_t widest = shape->hidden > shape->inner ? shape->hidden : shape->inner;
    if (shape->heads * shape->head > widest) widest = shape->heads * shape->head;
    d->widest = (widest + BLOCK - 1) / BLOCK * BLOCK;
    if (!pool_open(&d->pool, shape->threads)) {
        free(d);
        return NULL;
    }
    return d;
}

void llmsite_decoder_free(Decoder *d) {
    pool_close(&d->pool);
    drop_buffers(d);
    free(d->scores);
    free(d);
}

/* One pass over `count` tokens: token i goes to place places[i] of row rows[i]; tokens of one row stand in the order of their places. Writes the logits
   behind the tokens outputs[0 … wanted-1] to logits [wanted, vocabulary]. Returns 0, or -1 where there is no memory. */
int llmsite_decoder_forward(Decoder *d, const Cache *cache, int count, const int32_t *tokens, const int32_t *rows, const int32_t *places, int wanted, const int32_t *outputs, float *logits) {
    const Shape *s = &d->shape;
    int *scratch = malloc((size_t)count * 2 * sizeof *scratch);
    if (!scratch || !make_room(d, count, cache->places)) {
        free(scratch);
        return -1;
    }
    for (int t = 0; t < count; t++) {
        embed(&s->embedding, tokens[t], d->x + (int64_t)t * s->hidden, s->hidden);
        float *cosines = d->cosines + (int64_t)t * s->head;
        for (int i = 0; i < s->head / 2; i++) {
            float angle = (float)places[t] * s->frequencies[i];
            cosines[i] = cosf(angle) * s->rope_scale;
            cosines[i + s->head / 2] = sinf(angle) * s->rope_scale;
        }
    }
    Job job = {.d = d, .cache = cache, .count = count, .rows = rows, .places = places, .logits = logits};
    for (int index = 0; index < s->layers; index++) run_layer(&job, index, scratch);
    for (int i = 0; i < wanted; i++) /* outputs are in order: nothing is overwritten that is still needed */
        if (outputs[i] != i) memmove(d->x + (int64_t)i * s->hidden, d->x + (int64_t)outputs[i] * s->hidden, (size_t)s->hidden * sizeof(float));
    if (wanted) {
        job.count = wanted;
        arrange_all(d, d->x, s->last_norm, &s->output, s->hidden, wanted);
        job.part_rows = part_size(&s->output, wanted);
        share(&d->pool, output_part, &job, (int)total_rows(job.part_rows, s->output.out));
    }
    free(scratch);
    return 0;
}

int llmsite_decoder_version(void) { return 1; }
