#include "io/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace oncelog::io {
namespace {

TEST(DescriptorLimit, IsTheSoftOneOfTheProcess) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit lowered = before;
  lowered.rlim_cur = 77;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  EXPECT_EQ(descriptor_limit(), 77);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(descriptor_limit(), 77);
}

}  // namespace
}  // namespace oncelog::io
