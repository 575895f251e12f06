#include "vhd/disk_view.h"

#include "vhd/committer.h"

namespace viridian::vhd {
namespace {

constexpr size_t kPool = 256;

}  // namespace

Result<std::unique_ptr<DiskView>> DiskView::create(ChainDisk& disk, io::Reactor& reactor,
                                                   std::vector<std::unique_ptr<io::File>> files) {
  const auto reader = disk.grace().take_reader();
  if (!reader) {
    return fail(ErrorKind::kUnsupported, "{}: has {} views already", files.front()->name(),
                kMaxViews);
  }
  return std::unique_ptr<DiskView>(
      new DiskView(disk, reactor, std::move(files), *reader));  // set-up
}

DiskView::DiskView(ChainDisk& disk, io::Reactor& reactor,
                   std::vector<std::unique_ptr<io::File>> files, Grace::Reader reader)
    : disk_(disk),
      reactor_(reactor),
      files_(std::move(files)),
      reader_(reader),
      directs_(kPool),
      forwards_(kPool) {
  for (Direct& direct : directs_) {
    direct.view = this;
    direct.done = [](io::FileRequest& self) noexcept {
      auto& ended = static_cast<Direct&>(self);
      ended.view->end_direct(ended);
    };
    free_directs_.push_back(&direct);
  }
  for (Forward& forward : forwards_) {
    forward.view = this;
    forward.inner.forward = forward.there.forward = forward.here.forward = &forward;
    forward.there.run = [](io::Completion& self) noexcept {
      Forward& at = *static_cast<Forward::Leg&>(self).forward;
      at.view->disk_.submit(at.inner);
    };
    forward.inner.done = [](io::IoRequest& self) noexcept {
      Forward& at = *static_cast<Forward::Inner&>(self).forward;
      at.view->reactor_.post(at.here);
    };
    forward.here.run = [](io::Completion& self) noexcept {
      Forward& at = *static_cast<Forward::Leg&>(self).forward;
      io::IoRequest& request = *at.request;
      DiskView& view = *at.view;
      view.free_forwards_.push_back(&at);
      request.status = at.inner.status;
      view.pump();
      request.done(request);
    };
    free_forwards_.push_back(&forward);
  }
}

DiskView::~DiskView() { reader_.give_back(); }

void DiskView::submit(io::IoRequest& request) noexcept {
  const io::IoStatus status = io::check_request(request, info());
  if (status != io::IoStatus::kOk) {
    io::finish(reactor_, request, status);
  } else if (!waiting_.empty() || free_directs_.empty() || free_forwards_.empty()) {
    waiting_.push_back(request);
  } else {
    start(request);
  }
}

// Neither pool is empty.
void DiskView::start(io::IoRequest& request) noexcept {
  const bool is_read = request.op == io::IoOp::kRead;
  if (!is_read && (request.op != io::IoOp::kWrite || request.fua)) {
    start_forward(request);
    return;
  }
  Direct& direct = *free_directs_.back();
  free_directs_.pop_back();
  direct.epoch = reader_.begin(in_flight_.empty());
  in_flight_.push_back(direct);
  const ChainDisk::PublishedRun run =
      disk_.published_run(request.sector, request.sector_count, !is_read);
  switch (run.kind) {
    case ChainDisk::PublishedRun::Kind::kFile:
      start_direct(request, run, direct);
      break;
    case ChainDisk::PublishedRun::Kind::kZero:
      drop(direct);
      io::zero_iovecs(request.data, 0, request.sector_count * kSectorBytes);
      io::finish(reactor_, request, io::IoStatus::kOk);
      break;
    case ChainDisk::PublishedRun::Kind::kUnknown:
      drop(direct);
      start_forward(request);
      break;
  }
}

void DiskView::start_direct(io::IoRequest& request, const ChainDisk::PublishedRun& run,
                            Direct& direct) noexcept {
  direct.request = &request;
  direct.op = request.op == io::IoOp::kRead ? io::FileOp::kRead : io::FileOp::kWrite;
  if (request.op == io::IoOp::kWrite) disk_.note_view_write();
  direct.offset = run.offset;
  direct.length = request.sector_count * kSectorBytes;
  direct.data = request.data;
  direct.skip = 0;
  files_[run.layer]->submit(direct);
}

void DiskView::start_forward(io::IoRequest& request) noexcept {
  Forward& forward = *free_forwards_.back();
  free_forwards_.pop_back();
  ++forwarded_count_;
  forward.request = &request;
  forward.inner.op = request.op;
  forward.inner.fua = request.fua;
  forward.inner.sector = request.sector;
  forward.inner.sector_count = request.sector_count;
  forward.inner.data = request.data;
  disk_.reactor().post(forward.there);
}

void DiskView::drop(Direct& direct) noexcept {
  in_flight_.erase(in_flight_.iterator_to(direct));
  free_directs_.push_back(&direct);
  reader_.end(in_flight_.empty() ? Grace::kIdle : in_flight_.front().epoch);
}

void DiskView::end_direct(Direct& direct) noexcept {
  io::IoRequest& request = *direct.request;
  request.status = status_of(direct.error);
  drop(direct);
  pump();
  request.done(request);
}

void DiskView::pump() noexcept {
  while (!waiting_.empty() && !free_directs_.empty() && !free_forwards_.empty()) {
    auto& request = static_cast<io::IoRequest&>(waiting_.front());
    waiting_.pop_front();
    start(request);
  }
}

}  // namespace viridian::vhd
