#include "vswitch/switch_group.h"

namespace viridian::vswitch {

// What wakes a worker has nothing more to do: its switch looks in each turn.
Result<void> SwitchGroup::Worker::make_events() {
  if (place.reactor == nullptr) return {};
  auto event = io::EventSource::create(
      *place.reactor, [](void*) noexcept {}, nullptr);
  if (!event) return Unexpected(event.error());
  rung = std::move(*event);
  auto made = io::TimerSource::create(
      *place.reactor, [](void*) noexcept {}, nullptr);
  if (!made) return Unexpected(made.error());
  timer = std::move(*made);
  return {};
}

Result<std::unique_ptr<SwitchGroup>> SwitchGroup::create(const SwitchSettings& settings,
                                                         std::span<const Place> places,
                                                         OnWorker on) {
  std::unique_ptr<SwitchGroup> group(new SwitchGroup(settings, places, std::move(on)));
  for (const auto& worker : group->workers_)
    VIRIDIAN_TRY(worker->make_events());
  if (places.size() > 1) group->link_all();
  return group;
}

SwitchGroup::SwitchGroup(const SwitchSettings& settings, std::span<const Place> places, OnWorker on)
    : on_(std::move(on)) {
  for (const Place& place : places)
    workers_.push_back(std::make_unique<Worker>(settings, place));
}

SwitchGroup::~SwitchGroup() = default;

void SwitchGroup::link_all() {
  const size_t count = workers_.size();
  std::vector<WorkerLink*> from_to(count * count);
  for (size_t from = 0; from < count; ++from) {
    for (size_t to = 0; to < count; ++to) {
      if (from == to) continue;
      links_.push_back(
          std::make_unique<WorkerLink>(workers_[from]->seat.bell, workers_[to]->seat.bell));
      from_to[from * count + to] = links_.back().get();
    }
  }
  for (size_t own = 0; own < count; ++own) {
    Worker& worker = *workers_[own];
    for (size_t other = 0; other < count; ++other) {
      if (other != own)
        worker.seat.peers.push_back({from_to[own * count + other], from_to[other * count + own]});
    }
    worker.seat.mtus = &mtus_;
    worker.remotes.resize(kMaxPorts);
    if (worker.rung) worker.seat.bell.set_event(worker.rung.get());
    worker.view.join(worker.seat);
  }
}

template <class Body>
void SwitchGroup::each(Body&& body) {
  for (unsigned i = 0; i < workers_.size(); ++i)
    on_(i, [&] { body(*workers_[i], i); });
}

void SwitchGroup::start() {
  each([](Worker& worker, unsigned) {
    if (worker.place.reactor == nullptr) return;
    worker.rung->start();
    worker.timer->start();
    worker.view.use_timer(worker.timer.get());
    worker.place.reactor->attach(worker.view);
  });
}

void SwitchGroup::stop() {
  settle_all();
  each([](Worker& worker, unsigned) {
    if (worker.place.reactor == nullptr) return;
    worker.place.reactor->detach(worker.view);
    worker.rung->stop();
    worker.timer->stop();
    worker.place.reactor->run_until(
        [&] { return worker.rung->stopped() && worker.timer->stopped(); });
  });
}

// After the first round what was on its way has arrived, and after the second it is home.
void SwitchGroup::settle_all() {
  if (workers_.size() == 1) return;
  for (int round = 0; round < 2; ++round)
    each([](Worker& worker, unsigned) { worker.view.settle(); });
}

Result<PortId> SwitchGroup::add_port(unsigned worker, SwitchPort& port,
                                     const PortSettings& settings) {
  Result<PortId> id = kNoPort;
  on_(worker, [&] { id = workers_[worker]->view.add_port(port, settings); });
  if (!id) return id;
  owners_[*id] = static_cast<uint8_t>(worker);
  Result<void> done;
  for (unsigned i = 0; done && i < workers_.size(); ++i) {
    if (i == worker) continue;
    Worker& other = *workers_[i];
    // Its links go to the workers in their order, without itself.
    WorkerLink& link = *other.seat.peers[worker < i ? worker : worker - 1].to;
    other.remotes[*id] = std::make_unique<RemotePort>(link, *id, mtus_[*id], other.place.pool);
    on_(i, [&] { done = other.view.add_remote_port(*id, *other.remotes[*id], settings); });
  }
  if (done) return id;
  remove_port(*id);
  return Unexpected(done.error());
}

void SwitchGroup::remove_port(PortId id) {
  const unsigned owner = worker_of(id);
  each([&](Worker& worker, unsigned i) {
    if (i != owner) worker.view.remove_port(id);
  });
  on_(owner, [&] {
    workers_[owner]->view.settle();  // what is for the port
    workers_[owner]->view.remove_port(id);
  });
  settle_all();  // what is from it
  for (const auto& worker : workers_) {
    if (!worker->remotes.empty()) worker->remotes[id].reset();
  }
}

// All have the same ports and settings, so that what one of them refuses all do.
Result<void> SwitchGroup::change_ports(std::span<const PortChange> changes) {
  Result<void> done;
  each([&](Worker& worker, unsigned) {
    if (done) done = worker.view.change_ports(changes);
  });
  return done;
}

void SwitchGroup::set_kind(SwitchKind kind) {
  each([kind](Worker& worker, unsigned) { worker.view.set_kind(kind); });
}

void SwitchGroup::set_max_age_s(uint32_t seconds) {
  each([seconds](Worker& worker, unsigned) { worker.view.set_max_age_s(seconds); });
}

void SwitchGroup::add_counters(PortId id, PortCounters& sum) const {
  for (const auto& worker : workers_) {
    if (const PortCounters* counted = worker->view.counters(id)) sum.add(*counted);
  }
}

}  // namespace viridian::vswitch
