#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include <pthread.h>

namespace unrolled::pool {

namespace {

/* One call of run(): its tasks are claimed by whoever comes. */
class Job {
public:
  Job(Index tasks, Task task) : tasks_(tasks), task_(task) {}

  void work() {
    for (Index i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;)
      try {
        task_.call(task_.body, i);
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
  const Index tasks_;
  const Task task_;
  std::atomic<Index> next_{0};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

/* Threads that wait for a job. */
class Helpers {
public:
  /* Works on the job with up to `helpers` threads beside the caller; false where another job has them. */
  bool share(Job& job, Index helpers) {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn)
      return false;
    start(helpers);
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      wanted_ = helpers;
    }
    begin_.notify_all();
    job.work();
    std::unique_lock lock(mutex_);
    wanted_ = 0; // who has not begun by now finds nothing left
    end_.wait(lock, [this] { return busy_ == 0; });
    return true;
  }

private:
  /* Has up to `helpers` threads; fewer where the system gives no more: the caller does their share. */
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
      --wanted_;
      ++busy_;
      Job* job = job_;
      lock.unlock();
      job->work();
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
  Index wanted_ = 0, busy_ = 0;
};

/* Never destroyed: its threads run until the process ends. */
std::atomic<Helpers*> helpers{nullptr};

Helpers& all_helpers() {
  Helpers* known = helpers.load();
  if (known)
    return *known;
  auto* fresh = new Helpers;
  if (helpers.compare_exchange_strong(known, fresh)) {
    pthread_atfork(nullptr, nullptr, [] { helpers = nullptr; }); // threads do not survive a fork
    return *fresh;
  }
  delete fresh;
  return *known;
}

} // namespace

void run(Index tasks, Index threads, Task task) {
  Job job(tasks, task);
  const Index helpers = (threads < tasks ? threads : tasks) - 1;
  if (helpers < 1 || !all_helpers().share(job, helpers))
    job.work();
  job.rethrow();
}

} // namespace unrolled::pool
