#include <sluice/resilience/deployment_health.h>
#include <sluice/resilience/health_checker.h>
#include <sluice/resilience/hedge_policy.h>
#include <sluice/resilience/judge.h>
#include <sluice/resilience/outliers.h>
#include <sluice/resilience/retry_policy.h>

#include <gtest/gtest.h>

TEST(Judge, nothing) {}
