//===- SpeculationController.cpp - Whether a draft pays ---------*- C++ -*-===//

#include "runtime/adaptive/SpeculationController.h"

#include <algorithm>

namespace lathe {

/// What is believed before anything was seen weighs as much as two drafts; about
/// the latest twenty count.
SpeculationController::ClassState SpeculationController::initial(double First, double Later) {
  constexpr double Weight = 2, Keep = 0.95;
  return {{Weight, Weight * First, Keep}, {Weight, Weight * Later, Keep}};
}

double SpeculationController::expected(int32_t Class, int64_t Count) const {
  double Reached = Classes[Class].First.value(), Tokens = 1;
  for (int64_t I = 0; I < Count; ++I) {
    Tokens += Reached;
    Reached *= Classes[Class].Later.value();
  }
  return Tokens;
}

/// Of verifying `Count` tokens, relative to a plain step.  `Assumed`: measured
/// times that are worse than what is usual are not believed.
double SpeculationController::cost(int64_t Count, bool Assumed) const {
  double Step = Times.relative(Count + 1);
  if (Assumed)
    Step = std::min(Step, 1 + StepTimes::AssumedSlope * static_cast<double>(Count));
  double Base = Times.base();
  return Step + (Base > 0 ? static_cast<double>(Count) * DraftSeconds.value() / Base : 0);
}

double SpeculationController::gain(int32_t Class, int64_t Count) const {
  return expected(Class, Count) / cost(Count, false);
}

SpeculationController::Choice SpeculationController::best(int32_t Class, int64_t Most,
                                                          bool Assumed) const {
  Choice Best;
  for (int64_t Count = 1; Count <= Most; ++Count)
    if (double Gain = expected(Class, Count) / cost(Count, Assumed); Gain > Best.Gain)
      Best = {Count, Gain};
  return Best;
}

/// A refused offer now and then: one that would pay if a step did not take longer
/// than usual, because the times may have been bad luck; or one whose outcome is
/// not seen in any other way.
int64_t SpeculationController::probe(DraftOffer Offer, int64_t Most) {
  ClassState &State = Classes[Offer.Class];
  if (++State.Refused < ProbeInterval)
    return 0;
  State.Refused = 0;
  if (!Free)
    return 1;
  Choice Hoped = best(Offer.Class, Most, true);
  return Hoped.Gain >= GainToStart ? Hoped.Count : 0;
}

int64_t SpeculationController::choose(DraftOffer Offer) {
  if (Offer.Most < 1 || !Times.hasBase() || ++SincePlain > ProbeInterval) {
    SincePlain = 0;
    return 0;
  }
  bool Bold = Recent.value() >= BoldAcceptance;
  int64_t Most = Bold ? Offer.Most : std::min(Offer.Most, CautiousTokens);
  ClassState &State = Classes[Offer.Class];
  Choice Best = best(Offer.Class, Most, false);
  State.On = Best.Gain >= (State.On ? GainToStay : GainToStart);
  int64_t Count = State.On ? Best.Count : probe(Offer, Most);
  if (!Count)
    SincePlain = 0;
  return Count;
}

void SpeculationController::tellOutcome(int32_t Class, int64_t Drafted, int64_t Accepted,
                                        bool Verified) {
  ClassState &State = Classes[Class];
  State.First.add(1, Accepted > 0);
  if (Accepted > 0)
    State.Later.add(static_cast<double>(std::min(Accepted, Drafted - 1)),
                    static_cast<double>(Accepted - 1));
  if (Verified)
    Recent.add(static_cast<double>(Drafted), static_cast<double>(Accepted));
}

} // namespace lathe
