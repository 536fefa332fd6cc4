/* Chooses a token for each of several rows of logits, each by its own settings. The order is that of inference/sampler.py and of transformers' `generate`:
   repetition penalty, temperature, top-k, top-p (over what top-k left), min-p. */

#include "vector.h"

typedef struct {
    const float *temperature; /* 0: greedy */
    const float *top_p, *min_p, *penalty;
    const int32_t *top_k;       /* 0: all */
    uint8_t *const *seen;       /* for each row [vocabulary], 1 for each token of the prompt and the answer so far; NULL where there is no penalty */
} Settings;

typedef struct {
    float value;
    int32_t token;
} Candidate;

enum { CANDIDATES = 128, MORE = 16, NOT_A_NUMBER = -1 };

static void penalise(float *x, int64_t size, const uint8_t *seen, float penalty) {
    for (int64_t i = 0; i < size; i++) {
        float value = x[i] > 0 ? x[i] / penalty : x[i] * penalty;
        x[i] = seen[i] ? value : x[i];
    }
}

/* The greatest; NaN where there is one. */
static float greatest(const float *x, int64_t size) {
    float most = -INFINITY;
    int64_t i = 0;
    if (size >= LANES) {
        Vec v = load(x), strange = {0};
        for (; i + LANES <= size; i += LANES) {
            Vec next = load(x + i);
            IntVec more = next > v, nan = next != next;
            v = bits((as_int(next) & more) | (as_int(v) & ~more));
            strange = bits(as_int(strange) | nan);
        }
        for (int lane = 0; lane < LANES; lane++) {
            if (as_int(strange)[lane]) return NAN;
            most = v[lane] > most ? v[lane] : most;
        }
    }
    for (; i < size; i++) {
        if (x[i] != x[i]) return NAN;
        most = x[i] > most ? x[i] : most;
    }
    return most;
}

/* In place: e^((x - most) / temperature). Returns their sum. */
static double exponentials(float *x, int64_t size, float most, float temperature) {
    double total = 0;
    float inverse = 1.0f / temperature;
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        Vec e = vexp((load(x + i) - most) * inverse);
        store(x + i, e);
        total += sum(e);
    }
    for (; i < size; i++) total += x[i] = expf((x[i] - most) * inverse);
    return total;
}

INLINE int before(Candidate a, Candidate b) { return a.value > b.value || (a.value == b.value && a.token < b.token); }

static int by_value(const void *a, const void *b) { return before(*(const Candidate *)a, *(const Candidate *)b) ? -1 : 1; }

/* Down from the top of a heap whose top is the least. */
static void sink(Candidate *heap, int64_t count, int64_t i) {
    for (;;) {
        int64_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < count && before(heap[least], heap[left])) least = left;
        if (right < count && before(heap[least], heap[right])) least = right;
        if (least == i) return;
        Candidate kept = heap[i];
        heap[i] = heap[least];
        heap[least] = kept;
        i = least;
    }
}

/* The `count` greatest, greatest first; of equals the first. */
static void rank(const float *x, int64_t size, Candidate *found, int64_t count) {
    int64_t i = 0;
    for (; i < count; i++) found[i] = (Candidate){x[i], (int32_t)i};
    for (int64_t j = count / 2; j-- > 0;) sink(found, count, j);
    while (i < size) {
        if (i + 4 * LANES <= size) { /* most registers hold nothing that is great enough */
            float least = found[0].value;
            IntVec any = (load(x + i) > least) | (load(x + i + LANES) > least) | (load(x + i + 2 * LANES) > least) | (load(x + i + 3 * LANES) > least);
            int32_t lanes[LANES], some = 0;
            memcpy(lanes, &any, sizeof lanes);
            for (int lane = 0; lane < LANES; lane++) some |= lanes[lane];
            if (!some) {
                i += 4 * LANES;
                continue;
            }
        }
        for (int64_t end = i + 4 * LANES < size ? i + 4 * LANES : size; i < end; i++)
            if (x[i] > found[0].value) {
                found[0] = (Candidate){x[i], (int32_t)i};
                sink(found, count, 0);
            }
    }
    qsort(found, (size_t)count, sizeof *found, by_value);
}

/* `x`: probabilities that need not sum to 1. */
static int32_t draw_plain(float *x, int64_t size, float floor, double number) {
    double total = 0, sum_ = 0;
    for (int64_t i = 0; i < size; i++) total += x[i] >= floor ? x[i] : 0;
    double target = number * total;
    int32_t last = NOT_A_NUMBER;
    for (int64_t i = 0; i < size; i++)
        if (x[i] >= floor && x[i] > 0) {
            last = (int32_t)i;
            if ((sum_ += x[i]) > target) return last;
        }
    return last;
}

/* Returns the token, NOT_A_NUMBER, or -2 where the candidates were too few. */
static int32_t draw_ranked(const Candidate *found, int64_t count, double total, float top_p, float min_p, double number, int all_found) {
    double sum_ = 0;
    int64_t allowed = 0;
    for (; allowed < count; allowed++) {
        float p = (float)(found[allowed].value / total);
        if (allowed && (!((float)(sum_ / total) < top_p) || !(found[allowed].value >= min_p * found[0].value) || p == 0)) break;
        sum_ += found[allowed].value;
    }
    if (!all_found && allowed == count && (float)(sum_ / total) < top_p) return -2;
    double target = number * sum_, so_far = 0;
    for (int64_t i = 0; i < allowed; i++)
        if ((so_far += found[i].value) > target) return found[i].token;
    return found[allowed - 1].token;
}

static int32_t choose(float *x, int64_t size, const Settings *s, int row, double number, Candidate *found) {
    float temperature = s->temperature[row];
    if (s->seen[row]) penalise(x, size, s->seen[row], s->penalty[row]);
    float most = greatest(x, size);
    if (!(fabsf(most) < INFINITY)) return NOT_A_NUMBER;
    if (temperature == 0) {
        int64_t i = 0;
        while (x[i] != most) i++;
        return (int32_t)i;
    }
    int64_t limit = s->top_k[row] > 0 ? s->top_k[row] : 0, count = limit ? limit : CANDIDATES;
    if (count > size) count = size;
    if (!limit && s->top_p[row] >= 1) {
        exponentials(x, size, most, temperature);
        return draw_plain(x, size, s->min_p[row], number);
    }
    double total = 0;
    if (!limit) total = exponentials(x, size, most, temperature);
    for (;;) {
        rank(x, size, found, count);
        if (limit) {
            for (int64_t i = 0; i < count; i++) total += found[i].value = expf((found[i].value - most) / temperature);
        }
        int32_t token = draw_ranked(found, count, total, s->top_p[row], s->min_p[row], number, limit || count == size);
        if (token != -2) return token;
        count = count * MORE < size ? count * MORE : size;
    }
}

/* `logits` [rows, vocabulary] are overwritten. out[i]: the token of row i, or -1 where its numbers are not finite. Returns 0, or -1 where there is no
   memory. */
int llmsite_sample(int rows, int64_t vocabulary, float *logits, const Settings *settings, const double *numbers, int32_t *out) {
    Candidate *found = malloc((size_t)vocabulary * sizeof *found);
    if (!found) return -1;
    for (int row = 0; row < rows; row++) {
        out[row] = choose(logits + row * vocabulary, vocabulary, settings, row, numbers[row], found);
        if (settings->seen[row] && out[row] >= 0) settings->seen[row][out[row]] = 1;
    }
    free(found);
    return 0;
}
