/* The threads that kernels run on: the OpenMP team of the process where there is one, so that torch and the
   kernels never wait for one another's spinning threads; else a few threads of our own. A forked child has
   its own. */
#pragma once

#include "contract.h"

namespace unrolled::pool {

/* Addresses of GOMP_parallel, omp_get_num_threads and omp_get_thread_num in the OpenMP that is loaded
   already; every run from now on uses it. */
struct OpenMP {
  void (*parallel)(void (*body)(void*), void* data, unsigned threads, unsigned flags);
  int (*team_size)();
  int (*member)();
};
void use_openmp(const OpenMP& openmp);

/* Called by each member of a team: member = 0 … size - 1. */
struct Task {
  void (*call)(const void* body, Index member, Index size);
  const void* body;
};

void team(Index threads, Task task);

/* body(member, size) on `size` threads at the same time, of which the caller is one; size is `threads`, or
   less where the system or other callers have taken them. Returns when all are done. The first exception that
   a member throws is thrown here, after the others have ended. */
template <class Body>
void team(Index threads, const Body& body) {
  team(threads,
       Task{[](const void* b, Index member, Index size) { (*static_cast<const Body*>(b))(member, size); },
            &body});
}

/* Where the `size` members of a team wait for one another. */
class Barrier {
public:
  void wait(Index size);

private:
  Index arrived_ = 0, round_ = 0;
};

/* body(task) for task = 0 … tasks - 1, on at most `threads` threads of which the caller is one; returns when
   all are done. Tasks are claimed one by one, in order. */
template <class Body>
void run(Index tasks, Index threads, const Body& body) {
  Index next = 0;
  team(threads < tasks ? threads : tasks, [&](Index, Index) {
    for (Index task; (task = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < tasks;)
      body(task);
  });
}

} // namespace unrolled::pool
