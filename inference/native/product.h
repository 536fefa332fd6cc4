/* Weights, and what they are multiplied with. */

#ifndef LLMSITE_PRODUCT_H
#define LLMSITE_PRODUCT_H

#include <stdint.h>

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
    int few; /* so few inputs that the product waits for memory, not for the processor */
} Input;

/* Of one row, without its scales. */
static inline int64_t row_bytes(const Matrix *m) { return m->kind == F32 ? m->in * 4 : m->kind == BF16 ? m->in * 2 : m->kind == INT8 ? m->in : m->in / 2; }

/* Puts one input of `in` numbers into its place. */
void arrange(Input *input, int token, const float *x, int64_t in, int kind);

/* Rows first … end-1 with all tokens; result (row, token) goes to to[token * stride + row], or is added there. */
void product(const Matrix *m, int64_t first, int64_t end, const Input *x, int tokens, float *to, int64_t stride, int add);

/* One row of an embedding, as `size` floats. */
void embed(const Matrix *m, int64_t token, float *to, int64_t size);

#endif
