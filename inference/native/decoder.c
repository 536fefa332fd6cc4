/* One forward pass of a decoder of the Llama kind (Llama, Mistral, Qwen2, Qwen3 and what is built like them) on a CPU.

   Every token of a pass has a row of the cache and a place in it: prompts in pieces, and one token each of many answers, go through together, and the
   weights are read once for all of them. Each number is summed in one order that does not depend on who else is in the pass, nor on the pieces in
   which a prompt is read: what an answer becomes does not depend on its company.

   Compiled on the user's computer for its own processor by inference/native_build.py; C11 with GCC's vector types, which clang knows too, and two
   instructions (bf16 and int8 dot products) by name where the processor has them. */

#include "product.h"
#include "threads.h"
#include "vector.h"

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

enum { FEW = 16, MOST_PARTS = 1024 };

/* The cache: for each layer keys [rows, kv heads, head, places] and values [rows, kv heads, places, head]; `places` is a multiple of 32. */
typedef struct {
    void *const *keys, *const *values;
    int64_t places;
} Cache;

typedef struct {
    Shape shape;
    Pool *pool;
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
    int index, count, parts;
    int64_t start[MOST_PARTS + 1]; /* of each part, and the end */
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

enum { SETS = 4, STRETCH = 64 }; /* of attention: see below */

static int make_room(Decoder *d, int tokens, int64_t places) {
    const Shape *s = &d->shape;
    if (places > d->longest) {
        free(d->scores);
        d->longest = 0;
        d->scores = room((size_t)(s->threads * SETS * 8 * (places + 2 * LANES)) * sizeof(float));
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
    d->input.few = count <= FEW;
    d->input.offset = m->kind == INT8 ? 128 : 8;
    Arrange a = {d, x, norm, in, m->kind, count, 4};
    share(d->pool, arrange_part, &a, (count + 3) / 4);
}

/* Cuts `rows` rows of a job's matrices, each of `bytes`, into parts. Reading has to begin anew with each part and all threads should end at the same time:
   so the first parts are large and each takes the same share of what is left (guided self-scheduling: Polychronopoulos and Kuck, 1987). Parts begin at
   whole registers, so that nothing is computed otherwise at their ends. */
static void cut(Job *job, const Matrix *m, int64_t rows) {
    int64_t bytes = row_bytes(m);
    int many = job->count > FEW; /* then it is not memory that is waited for */
    int64_t least = 65536 / bytes / LANES * LANES, row = 0;
    if (least < LANES) least = LANES;
    while (least * MOST_PARTS < rows) least *= 2;
    for (job->parts = 0; row < rows; job->parts++) {
        int64_t some = many ? 0 : (rows - row) / (2 * job->d->shape.threads) / LANES * LANES;
        job->start[job->parts] = row;
        row += some > least ? some : least;
    }
    job->start[job->parts] = rows;
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

/* Attention to one head of one row: scores of all places first, then their softmax, then the values, so that the order of the sums does not depend on the
   pieces in which the prompt was read. Registers hold the sums of a set of up to 8 queries; some sets go through the keys side by side, and through the
   values, a stretch of places at a time: so that it is read from the nearest cache. */
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

/* Of the places from `from` on. `width`: so many registers of a head at a time. */
INLINE void some_values(const void *values, int bf16, int head, int i, int width, int queries, const float *scores, int64_t stride, int64_t from, int64_t length, float *const *to) {
    Vec acc[8][2] = {0};
    if (from) UNROLL for (int n = 0; n < queries; n++) UNROLL for (int w = 0; w < width; w++) acc[n][w] = load(to[n] + i + w * LANES);
    for (int64_t p = from; p < length; p++) {
        Vec v[2];
        UNROLL for (int w = 0; w < width; w++) v[w] = bf16 ? load_bf16((const uint16_t *)values + p * head + i + w * LANES) : load((const float *)values + p * head + i + w * LANES);
        UNROLL for (int n = 0; n < queries; n++) UNROLL for (int w = 0; w < width; w++) acc[n][w] += v[w] * scores[n * stride + p];
    }
    UNROLL for (int n = 0; n < queries; n++) UNROLL for (int w = 0; w < width; w++) store(to[n] + i + w * LANES, acc[n][w]);
}

INLINE void values_of(const void *values, int bf16, int head, int queries, const float *scores, int64_t stride, int64_t from, int64_t length, float *const *to) {
    int i = 0;
    for (; i + 2 * LANES <= head; i += 2 * LANES) some_values(values, bf16, head, i, 2, queries, scores, stride, from, length, to);
    if (i < head) some_values(values, bf16, head, i, 1, queries, scores, stride, from, length, to);
}

#define QUERIES(N) \
    static void scores_##N(const void *k, int bf16, int64_t places, int head, const float *const *q, float scale, float *s, int64_t stride, int64_t length) { \
        if (bf16) scores_of(k, 1, places, head, q, N, scale, s, stride, length); else scores_of(k, 0, places, head, q, N, scale, s, stride, length); \
    } \
    static void values_##N(const void *v, int bf16, int head, const float *s, int64_t stride, int64_t from, int64_t length, float *const *to) { \
        if (bf16) values_of(v, 1, head, N, s, stride, from, length, to); else values_of(v, 0, head, N, s, stride, from, length, to); \
    }
QUERIES(1) QUERIES(2) QUERIES(3) QUERIES(4) QUERIES(5) QUERIES(6) QUERIES(7) QUERIES(8)
typedef void Scores(const void *, int, int64_t, int, const float *const *, float, float *, int64_t, int64_t);
typedef void Values(const void *, int, int, const float *, int64_t, int64_t, int64_t, float *const *);
static Scores *const SCORES[] = {NULL, scores_1, scores_2, scores_3, scores_4, scores_5, scores_6, scores_7, scores_8};
static Values *const VALUES[] = {NULL, values_1, values_2, values_3, values_4, values_5, values_6, values_7, values_8};

/* In place over `length` scores; those behind, up to `end`, become 0. */
static void softmax(float *scores, int64_t length, int64_t end) {
    Vec most = all(-INFINITY), total = {0};
    for (int64_t i = length; i < ((length + LANES - 1) / LANES) * LANES; i++) scores[i] = -INFINITY;
    for (int64_t i = 0; i < length; i += LANES) { /* NaN is the greatest of all */
        Vec v = load(scores + i);
        IntVec more = (v > most) | (v != v);
        most = bits((as_int(v) & more) | (as_int(most) & ~more));
    }
    float greatest = most[0];
    for (int lane = 1; lane < LANES; lane++) greatest = most[lane] > greatest || most[lane] != most[lane] ? most[lane] : greatest;
    for (int64_t i = 0; i < length; i += LANES) {
        Vec e = vexp(load(scores + i) - greatest);
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

/* Up to 8 queries: neighbouring tokens' heads of one group. */
typedef struct { const float *q[8]; float *to[8], *scores; int queries; int64_t longest; } Set;

static void fill(Set *set, Job *job, int kv_head, int token, int tokens, int first_head, int heads) {
    const Shape *s = &job->d->shape;
    set->queries = 0;
    set->longest = job->places[token + tokens - 1] + 1;
    for (int t = 0; t < tokens; t++)
        for (int h = 0; h < heads; h++, set->queries++) {
            int64_t at = ((int64_t)(token + t) * s->heads + kv_head * (s->heads / s->kv_heads) + first_head + h) * s->head;
            set->q[set->queries] = job->d->q + at;
            set->to[set->queries] = job->d->mixed + at;
        }
}

static void attend_some(Job *job, int kv_head, int token, int tokens, int first_head, int heads, int thread) {
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    Set sets[SETS];
    int bf16 = s->cache_kind == BF16, most = together(s), count = 0;
    int64_t stride = d->longest + 2 * LANES, longest = job->places[token + tokens - 1] + 1, places = job->cache->places, bytes = bf16 ? 2 : 4;
    for (int t = 0; t < tokens; t += most, count++) {
        fill(&sets[count], job, kv_head, token + t, tokens - t < most ? tokens - t : most, first_head, heads);
        sets[count].scores = d->scores + (int64_t)(thread * SETS + count) * 8 * stride;
    }
    int64_t at = ((int64_t)job->rows[token] * s->kv_heads + kv_head) * s->head * places * bytes;
    const char *keys = (const char *)job->cache->keys[job->index] + at, *values = (const char *)job->cache->values[job->index] + at;
    for (int64_t from = 0; from < longest; from += STRETCH)
        for (Set *set = sets; set < sets + count; set++) {
            int64_t some = set->longest - from < STRETCH ? set->longest - from : STRETCH;
            if (some > 0) SCORES[set->queries](keys + from * bytes, bf16, places, s->head, set->q, 1.0f / sqrtf((float)s->head), set->scores + from, stride, some);
        }
    for (Set *set = sets; set < sets + count; set++)
        for (int n = 0; n < set->queries; n++) softmax(set->scores + n * stride, job->places[token + (int)(set - sets) * most + n / heads] + 1, set->longest);
    for (int64_t from = 0; from < longest; from += STRETCH)
        for (Set *set = sets; set < sets + count; set++) {
            int64_t until = set->longest < from + STRETCH ? set->longest : from + STRETCH;
            if (from < until) VALUES[set->queries](values, bf16, s->head, set->scores, stride, from, until, set->to);
        }
}

static void attend_part(void *context, int part, int thread) {
    Attention *a = context;
    const Shape *s = &a->job->d->shape;
    int kv_head = part / a->groups, one = part % a->groups, group = s->heads / s->kv_heads;
    for (int first = 0; first < group; first += 8)
        attend_some(a->job, kv_head, a->begin[one], a->size[one], first, group - first < 8 ? group - first : 8, thread);
}

static void attend(Job *job, int *scratch) {
    Attention a = {job, 0, scratch, scratch + job->count};
    int most = together(&job->d->shape) * SETS;
    for (int token = 0; token < job->count; token++) {
        int last = a.groups - 1;
        if (last >= 0 && a.size[last] < most && job->rows[token] == job->rows[token - 1] && job->places[token] == job->places[token - 1] + 1) a.size[last]++;
        else a.begin[a.groups] = token, a.size[a.groups++] = 1;
    }
    share(job->d->pool, attend_part, &a, a.groups * job->d->shape.kv_heads);
}

static void qkv_part(void *context, int part, int thread) {
    Job *job = context;
    Decoder *d = job->d;
    const Matrix *matrices[] = {&job->layer->q, &job->layer->k, &job->layer->v};
    float *to[] = {d->q, d->k, d->v};
    int64_t first = job->start[part], end = job->start[part + 1];
    (void)thread;
    for (int i = 0; i < 3; i++) {
        int64_t out = matrices[i]->out, from = first > 0 ? first : 0, until = end < out ? end : out;
        if (from < until) product(matrices[i], from, until, &d->input, job->count, to[i], out, 0);
        first -= out;
        end -= out;
    }
}

static void o_part(void *context, int part, int thread) {
    Job *job = context;
    (void)thread;
    product(&job->layer->o, job->start[part], job->start[part + 1], &job->d->input, job->count, job->d->x, job->d->shape.hidden, 1);
}

static void down_part(void *context, int part, int thread) {
    Job *job = context;
    (void)thread;
    product(&job->layer->down, job->start[part], job->start[part + 1], &job->d->input, job->count, job->d->x, job->d->shape.hidden, 1);
}

static void mlp_part(void *context, int part, int thread) {
    Job *job = context;
    Decoder *d = job->d;
    int64_t inner = d->shape.inner, first = job->start[part], end = job->start[part + 1];
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
    const Shape *s = &job->d->shape;
    (void)thread;
    product(&s->output, job->start[part], job->start[part + 1], &job->d->input, job->count, job->logits, s->vocabulary, 0);
}

/* `first` is one of the matrices, which have the same inputs; together they have `rows` rows. */
static void multiply(Job *job, Work *work, const Matrix *first, int64_t rows) {
    cut(job, first, rows);
    share(job->d->pool, work, job, job->parts);
}

/* From here on only the tokens outputs[0 … wanted-1] are computed, which are in order: nothing is overwritten that is still needed. */
static void go_on_with(Job *job, int wanted, const int32_t *outputs, int32_t *scratch) {
    const Shape *s = &job->d->shape;
    int64_t size = (int64_t)s->heads * s->head;
    for (int i = 0; i < wanted; i++) {
        scratch[i] = job->rows[outputs[i]];
        scratch[wanted + i] = job->places[outputs[i]];
        if (outputs[i] == i) continue;
        memmove(job->d->x + i * s->hidden, job->d->x + outputs[i] * s->hidden, (size_t)s->hidden * sizeof(float));
        memmove(job->d->q + i * size, job->d->q + outputs[i] * size, (size_t)size * sizeof(float));
    }
    job->rows = scratch;
    job->places = scratch + wanted;
    job->count = wanted;
}

/* `scratch`: room for four whole numbers a token. */
static void run_layer(Job *job, int index, int wanted, const int32_t *outputs, int32_t *scratch) {
    Decoder *d = job->d;
    const Shape *s = &d->shape;
    const Layer *layer = job->layer = s->layer + index;
    int count = job->count;
    job->index = index;
    arrange_all(d, d->x, layer->before_attention, &layer->q, s->hidden, count);
    multiply(job, qkv_part, &layer->q, layer->q.out + layer->k.out + layer->v.out);
    share(d->pool, place_part, job, (count + 7) / 8);
    if (index == s->layers - 1) { /* of what is only read nothing more is needed than its keys and values */
        go_on_with(job, wanted, outputs, scratch + 2 * count);
        if (!(count = wanted)) return;
    }
    attend(job, scratch);
    arrange_all(d, d->mixed, NULL, &layer->o, (int64_t)s->heads * s->head, count);
    multiply(job, o_part, &layer->o, layer->o.out);
    arrange_all(d, d->x, layer->before_mlp, &layer->gate, s->hidden, count);
    multiply(job, mlp_part, &layer->gate, s->inner);
    arrange_all(d, d->inner, NULL, &layer->down, s->inner, count);
    multiply(job, down_part, &layer->down, layer->down.out);
}

Decoder *llmsite_decoder_new(const Shape *shape) {
    Decoder *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->shape = *shape;
    int64_t widest = shape->hidden > shape->inner ? shape->hidden : shape->inner;
    if (shape->heads * shape->head > widest) widest = shape->heads * shape->head;
    d->widest = (widest + BLOCK - 1) / BLOCK * BLOCK;
    if (!(d->pool = pool_open(shape->threads))) {
        free(d);
        return NULL;
    }
    return d;
}

void llmsite_decoder_free(Decoder *d) {
    pool_close(d->pool);
    drop_buffers(d);
    free(d->scores);
    free(d);
}

/* One pass over `count` tokens: token i goes to place places[i] of row rows[i]; tokens of one row stand in the order of their places. Writes the logits
   behind the tokens outputs[0 … wanted-1] to logits [wanted, vocabulary]. Returns 0, or -1 where there is no memory. */
int llmsite_decoder_forward(Decoder *d, const Cache *cache, int count, const int32_t *tokens, const int32_t *rows, const int32_t *places, int wanted, const int32_t *outputs, float *logits) {
    const Shape *s = &d->shape;
    int32_t *scratch = malloc((size_t)count * 4 * sizeof *scratch);
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
    for (int index = 0; index < s->layers; index++) run_layer(&job, index, wanted, outputs, scratch);
    if (wanted) {
        arrange_all(d, d->x, s->last_norm, &s->output, s->hidden, wanted);
        multiply(&job, output_part, &s->output, s->output.out);
    }
    free(scratch);
    return 0;
}

int llmsite_decoder_version(void) { return 3; }
