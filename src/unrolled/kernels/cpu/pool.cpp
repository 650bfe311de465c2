#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <sched.h>

#include "arithmetic.h"

namespace unrolled::pool {

namespace {

/* One call of team(). */
class Job {
public:
  explicit Job(Task task) : task_(task) {}

  void work(Index member, Index size) {
    const StandardArithmetic arithmetic; // a team that another library made has that library's
    try {
      task_.call(task_.body, member, size);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_)
        failure_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (failure_)
      std::rethrow_exception(failure_);
  }

private:
  const Task task_;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

/* Our own threads, which wait for a job. */
class Helpers {
public:
  /* Works on the job with up to `helpers` threads beside the caller; alone where another job has them. */
  void share(Job& job, Index helpers) {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn)
      return job.work(0, 1);
    start(helpers);
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      size_ = (threads_ < helpers ? threads_ : helpers) + 1;
      wanted_ = busy_ = size_ - 1;
    }
    begin_.notify_all();
    job.work(0, size_);
    std::unique_lock lock(mutex_);
    end_.wait(lock, [this] { return busy_ == 0; });
  }

private:
  /* Has up to `helpers` threads; fewer where the system gives no more. */
  void start(Index helpers) {
    try {
      for (; threads_ < helpers; ++threads_)
        std::thread([this] { wait_and_help(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  [[noreturn]] void wait_and_help() {
    std::unique_lock lock(mutex_);
    for (;;) {
      begin_.wait(lock, [this] { return wanted_ > 0; });
      const Index member = wanted_--, size = size_;
      Job* job = job_;
      lock.unlock();
      job->work(member, size);
      lock.lock();
      if (--busy_ == 0)
        end_.notify_one();
    }
  }

  std::mutex turn_;
  Index threads_ = 0;
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  Job* job_ = nullptr;
  Index size_ = 0;
  Index wanted_ = 0, busy_ = 0; // members that have not begun, that have not ended
};

/* Never destroyed: its threads run until the process ends. */
std::atomic<Helpers*> helpers{nullptr};

/* Null: our own threads. */
std::atomic<const OpenMP*> in_use{nullptr};

/* No thread survives a fork, and an OpenMP team waits for its lost members for ever. */
void watch_forks() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] {
      helpers = nullptr;
      in_use = nullptr;
    });
  });
}

Helpers& all_helpers() {
  Helpers* known = helpers.load();
  if (known)
    return *known;
  auto* fresh = new Helpers;
  if (helpers.compare_exchange_strong(known, fresh)) {
    watch_forks();
    return *fresh;
  }
  delete fresh;
  return *known;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

} // namespace

void use_openmp(const OpenMP& openmp) {
  static OpenMP known;
  watch_forks();
  known = openmp;
  in_use = &known;
}

void team(Index threads, Task task) {
  if (threads <= 1)
    return task.call(task.body, 0, 1);
  Job job(task);
  if (const OpenMP* openmp = in_use.load()) {
    struct Shared {
      Job& job;
      const OpenMP& openmp;
    } shared{job, *openmp};
    openmp->parallel(
        [](void* data) {
          const auto& [job, openmp] = *static_cast<Shared*>(data);
          job.work(openmp.member(), openmp.team_size());
        },
        &shared, static_cast<unsigned>(threads), 0);
  } else
    all_helpers().share(job, threads - 1);
  job.rethrow();
}

void Barrier::wait(Index size) {
  constexpr int patience = 20'000; // turns before the core is offered to others
  const Index round = __atomic_load_n(&round_, __ATOMIC_RELAXED);
  if (__atomic_add_fetch(&arrived_, 1, __ATOMIC_ACQ_REL) == size) {
    __atomic_store_n(&arrived_, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&round_, round + 1, __ATOMIC_RELEASE);
    return;
  }
  for (int turn = 0; __atomic_load_n(&round_, __ATOMIC_ACQUIRE) == round; ++turn)
    if (turn < patience)
      relax();
    else
      sched_yield();
}

} // namespace unrolled::pool
