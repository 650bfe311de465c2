/* A few threads that wait for work, kept for the life of the process; a forked child starts with its own. */
#pragma once

#include "contract.h"

namespace unrolled::pool {

struct Task {
  void (*call)(const void* body, Index task);
  const void* body;
};

void run(Index tasks, Index threads, Task task);

/* body(task) for task = 0 … tasks - 1, on at most `threads` threads of which the caller is one; returns when
   all are done. Tasks are claimed one by one, in order. Where another call holds the threads, the caller does
   its tasks alone. The first exception that a task throws is thrown here, after the others have ended. */
template <class Body>
void run(Index tasks, Index threads, const Body& body) {
  run(tasks, threads, Task{[](const void* b, Index task) { (*static_cast<const Body*>(b))(task); }, &body});
}

} // namespace unrolled::pool
