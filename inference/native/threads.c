#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

enum { SPINS = 4000 };

struct Pool {
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
};

static inline void rest(void) {
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

void share(Pool *pool, Work *work, void *context, int parts) {
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

Pool *pool_open(int count) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->threads = calloc((size_t)count, sizeof *pool->threads);
    if (!pool->threads) {
        free(pool);
        return NULL;
    }
    atomic_store(&pool->names, 1);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->called, NULL);
    for (pool->count = 1; pool->count < count; pool->count++)
        if (pthread_create(&pool->threads[pool->count - 1], NULL, helper, pool)) break;
    return pool;
}

void pool_close(Pool *pool) {
    atomic_store(&pool->closing, 1);
    call_all(pool);
    for (int i = 1; i < pool->count; i++) pthread_join(pool->threads[i - 1], NULL);
    free(pool->threads);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->called);
    free(pool);
}
