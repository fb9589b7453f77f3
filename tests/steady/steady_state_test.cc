// steady_state_test.cc: what an append costs the system once everything is warm: no system call but
// those that a drain makes, and no allocation at all (design section 4: the store itself, rolls and
// drains excepted).
//
// The appends run in a child that this process traces, so that every system call is seen, whoever
// makes it; allocations are counted by an operator new of this program. An index in memory grows by
// blocks that double, some twenty times in the life of a segment; nothing else allocates.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <new>

#include "oncelog/oncelog.h"
#include "support/batches.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace {
std::atomic<std::int64_t> allocation_count{0};

void* allocate(std::size_t bytes, std::size_t alignment) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  void* const memory =
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

// Not inlined: the compiler would see malloc beside delete, and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return allocate(bytes, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace oncelog::test {
namespace {

struct Cost {
  std::map<std::uint64_t, std::int64_t> system_calls{};
  std::int64_t allocations = 0;

  [[nodiscard]] std::int64_t calls(std::uint64_t number) const {
    const auto found = system_calls.find(number);
    return found == system_calls.end() ? 0 : found->second;
  }
};

/// What the child makes of `work` lies between two calls of this one.
constexpr std::uint64_t kMark = SYS_getppid;

class TracedChild {
 public:
  explicit TracedChild(const std::function<void(const std::function<void()>& mark)>& body) {
    counted_ =
        static_cast<std::int64_t*>(::mmap(nullptr, sizeof(std::int64_t) * 2, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    child_ = ::fork();
    if (child_ != 0) return;
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    std::raise(SIGSTOP);
    int marks = 0;
    body([&] {
      if (marks == 1) counted_[1] = allocation_count.load();
      ::syscall(kMark);
      if (marks == 0) counted_[0] = allocation_count.load();
      ++marks;
    });
    ::_exit(marks == 2 ? 0 : 1);
  }
  ~TracedChild() { ::munmap(counted_, sizeof(std::int64_t) * 2); }
  TracedChild(const TracedChild&) = delete;
  TracedChild& operator=(const TracedChild&) = delete;

  /// Nothing where a process may not be traced.
  std::optional<Cost> wait() {
    int status = 0;
    Cost cost;
    bool is_counting = false;
    ::waitpid(child_, &status, 0);
    if (!WIFSTOPPED(status)) return std::nullopt;
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    int signal = 0;
    while (::ptrace(PTRACE_SYSCALL, child_, nullptr, signal) == 0) {
      ::waitpid(child_, &status, 0);
      if (!WIFSTOPPED(status)) break;
      const bool is_system_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
      signal = is_system_call || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
      if (!is_system_call) continue;
      __ptrace_syscall_info info{};
      ::ptrace(PTRACE_GET_SYSCALL_INFO, child_, sizeof(info), &info);
      if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
      if (info.entry.nr == kMark) {
        is_counting = !is_counting;
      } else if (is_counting) {
        ++cost.system_calls[info.entry.nr];
      }
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    cost.allocations = counted_[1] - counted_[0];
    return cost;
  }

 private:
  pid_t child_ = -1;
  std::int64_t* counted_ = nullptr;
};

constexpr int kWarmUp = 4'000;
constexpr int kCounted = 20'000;

/// Appends of one producer, made before: making them is the client's work.
std::vector<Buffer> make_batches(bool is_idempotent) {
  std::vector<Buffer> batches;
  for (int i = 0; i < kWarmUp + kCounted; ++i) {
    BatchSpec spec{.value_bytes = 50};
    if (is_idempotent) {
      spec.producer_id = 7;
      spec.producer_epoch = 0;
      spec.sequence = i;
    }
    batches.push_back(make_batch(spec));
  }
  return batches;
}

class SteadyState : public testing::TestWithParam<bool> {};

TEST_P(SteadyState, AppendsMakeNoSystemCallButDrains) {
  const TempDir directory;
  const std::vector<Buffer> batches = make_batches(GetParam());
  StoreOptions store_options;
  TracedChild child([&](const std::function<void()>& mark) {
    const auto store = value_of(Store::open(directory.file("store"), store_options));
    PartitionOptions options;
    options.level = Level::kWritten;
    const auto log = value_of(store->open_partition({"t", 0}, options));
    for (int i = 0; i < kWarmUp + kCounted; ++i) {
      if (i == kWarmUp) mark();
      if (!log->append_as_leader(batches[static_cast<std::size_t>(i)])) ::_exit(2);
    }
    mark();
  });
  const std::optional<Cost> cost = child.wait();
  if (!cost) GTEST_SKIP() << "processes may not be traced here";

  const std::int64_t bytes = kCounted * std::ssize(batches.back());
  const std::int64_t drains = bytes / (store_options.append_ring_bytes / 2) + 1;
  std::int64_t others = 0;
  for (const auto& [number, count] : cost->system_calls) {
    const bool is_of_a_drain =
        number == SYS_pwrite64 || number == SYS_pwritev || number == SYS_fallocate;
    // A machine may have no clock that can be read without the system.
    if (is_of_a_drain || number == SYS_clock_gettime) continue;
    others += count;
    ADD_FAILURE() << count << " times system call " << number;
  }
  EXPECT_EQ(others, 0);
  EXPECT_GE(cost->calls(SYS_pwrite64) + cost->calls(SYS_pwritev), 1);
  EXPECT_LE(cost->calls(SYS_pwrite64) + cost->calls(SYS_pwritev), drains);
  EXPECT_LE(cost->calls(SYS_fallocate), bytes / (1 << 19) + 1);
  // The offset and the time index grow by blocks that double: here both do so once.
  EXPECT_LE(cost->allocations, 2);
  std::cout << kCounted << " appends: " << cost->calls(SYS_pwrite64) + cost->calls(SYS_pwritev)
            << " writes of drains, " << cost->calls(SYS_fallocate) << " times space set aside, "
            << others << " other system calls, " << cost->allocations << " allocations\n";
}

INSTANTIATE_TEST_SUITE_P(Producers, SteadyState, testing::Bool(),
                         [](const auto& of) { return of.param ? "Idempotent" : "Plain"; });

}  // namespace
}  // namespace oncelog::test
