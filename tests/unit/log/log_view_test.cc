#include "log/log_view.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace oncelog::log {
namespace {

/// A view that carries a number twice, so that a torn one would show.
std::shared_ptr<const LogView> view_of(int number) {
  auto view = std::make_shared<LogView>();
  view->epochs = {{LeaderEpoch(number), Offset(0)}, {LeaderEpoch(number), Offset(0)}};
  return view;
}

int number_of(const LogView& view) { return view.epochs.front().epoch.value(); }

TEST(PublishedView, GivesTheViewPublishedLast) {
  PublishedView published;
  EXPECT_EQ(published.get(), nullptr);
  for (int i = 0; i < 5; ++i) {
    const auto view = view_of(i);
    published.publish(view);
    EXPECT_EQ(published.get(), view);
  }
}

TEST(PublishedView, AHeldViewStaysWhatItWas) {
  PublishedView published;
  published.publish(view_of(1));
  const auto held = published.get();
  for (int i = 2; i < 10; ++i) published.publish(view_of(i));
  EXPECT_EQ(number_of(*held), 1);
}

TEST(PublishedView, ViewsThatNobodyHoldsAreFreed) {
  PublishedView published;
  auto view = view_of(1);
  const std::weak_ptr<const LogView> watched = view;
  published.publish(std::move(view));
  published.publish(view_of(2));
  published.publish(view_of(3));
  EXPECT_TRUE(watched.expired());
}

TEST(PublishedView, ReadersSeeWholeViewsThatOnlyGetNewer) {
  constexpr int kViews = 20'000;
  PublishedView published;
  published.publish(view_of(0));
  std::atomic<bool> is_wrong{false};
  const auto read = [&] {
    for (int before = 0; before < kViews;) {
      const auto view = published.get();
      if (view->epochs.front() != view->epochs.back() || number_of(*view) < before) is_wrong = true;
      before = number_of(*view);
    }
  };
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back(read);
  for (int i = 1; i <= kViews; ++i) published.publish(view_of(i));
  readers.clear();
  EXPECT_FALSE(is_wrong);
}

}  // namespace
}  // namespace oncelog::log
