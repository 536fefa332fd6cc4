/* A few threads that share the parts of a job. */

#ifndef LLMSITE_THREADS_H
#define LLMSITE_THREADS_H

typedef void Work(void *context, int part, int thread);
typedef struct Pool Pool;

Pool *pool_open(int count); /* `count` with the caller; fewer where the system gives no more. NULL where there is no memory. */
void pool_close(Pool *pool);

/* Does all parts. Whoever has a core takes them; a helper that has none delays nobody, unless it lost it in the middle of one. */
void share(Pool *pool, Work *work, void *context, int parts);

#endif
