// The control socket with real clients.
#include "vswitch/control/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>
#include <thread>

#include "tests/support/temp_folder.h"
#include "tests/unit/vswitch-control/host_fixture.h"

namespace viridian::vswitch {
namespace {

class ServerTest : public HostTest {
 protected:
  ServerTest() : path_(folder_.file("socket")) {
    make_lan();
    server_ = std::move(*ControlServer::create(*host_, path_));
    thread_ = std::thread([this] { server_->run(); });
  }
  ~ServerTest() override {
    server_->stop();
    thread_.join();
  }

  UniqueFd connect() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static void send(const UniqueFd& fd, std::string text) {
    std::replace(text.begin(), text.end(), '\'', '"');
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Reads until `enough` is in it, or the end.
  static std::string read(const UniqueFd& fd, const std::string& enough = "\n") {
    std::string text;
    std::array<char, 4096> bytes;
    while (text.find(enough) == text.npos) {
      const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      text.append(bytes.data(), static_cast<size_t>(got));
    }
    return text;
  }

  TempFolder folder_;
  std::string path_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ServerTest, RequestsOfOneWriteAreAnsweredInOrder) {
  const UniqueFd fd = connect();
  send(fd, "{'id':1,'command':'config'}\n\n{'id':2,'comm");
  send(fd, "and':'nothing'}\n");
  const std::string text = read(fd, "\"id\":2");
  EXPECT_LT(text.find("\"id\":1,\"ok\":true"), text.find("\"id\":2,\"ok\":false"));
}

TEST_F(ServerTest, OnlyItsOwnerMayConnect) {
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ServerTest, SocketOfALivingServerIsLeftAlone) {
  const auto second = ControlServer::create(*host_, path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "socket: " + path_ + " is served by another process");
  send(connect(), "{'command':'config'}\n");
}

TEST_F(ServerTest, AFileThatIsNoSocketIsLeftAlone) {
  const std::string file = folder_.file("file");
  std::ofstream(file) << "mine";
  const auto refused = ControlServer::create(*host_, file);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("is no socket"), std::string::npos);
}

TEST_F(ServerTest, ClientThatSendsNoMoreStillGetsItsAnswer) {
  const UniqueFd fd = connect();
  send(fd, "{'command':'config'}\n");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_NE(read(fd).find("\"ok\":true"), std::string::npos);
  EXPECT_EQ(read(fd), "");
}

TEST_F(ServerTest, RequestWithoutEndIsRefused) {
  const UniqueFd fd = connect();
  const std::string piece(1 << 20, 'x');
  // Until it is refused; a call may send less than it was given.
  for (size_t sent = 0; sent <= kMaxRequestBytes;) {
    const ssize_t now = ::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (now < 0 && errno != EINTR) break;
    if (now > 0) sent += static_cast<size_t>(now);
  }
  EXPECT_NE(read(fd).find("the request is longer than"), std::string::npos);
}

TEST_F(ServerTest, WatchSendsLinesUntilTheClientGoes) {
  const UniqueFd fd = connect();
  send(fd, "{'command':'watch','interval_ms':50}\n");
  const std::string text = read(fd, "rx_frames");
  EXPECT_TRUE(text.starts_with("{\"ok\":true"));
  EXPECT_NE(text.find("\"port\":\"a\""), std::string::npos);
}

TEST_F(ServerTest, CaptureGoesOnAsPcapngAndEndsWithItsClient) {
  fakes::FakePort guest(pool_);
  host_->alone([&] { ASSERT_TRUE(host_->add_guest("lan", guest, {.name = "nic0"})); });
  {
    const UniqueFd fd = connect();
    send(fd, "{'command':'capture','switch':'lan','port':'nic0','dropped':true}\n");
    EXPECT_NE(read(fd, "Viridian vswitch").find("\"ok\":true"), std::string::npos);
    host_->on_worker(0, [&] {
      guest.bring(fakes::ethernet({{2, 0, 0, 0, 0, 1}}, {{3, 0, 0, 0, 0, 2}}));
    });
    const std::string text = read(fd, "dropped: bad-source");
    EXPECT_NE(text.find("nic0"), std::string::npos);
  }
  bool captured = true;
  while (captured)
    host_->on_worker(0, [&] { captured = host_->find("lan")->group->view(0).port(2)->captured; });
  host_->alone([&] { host_->remove_guest("lan", "nic0"); });
}

TEST_F(ServerTest, MetricsAreServedToHttp) {
  const UniqueFd fd = connect();
  send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string text = read(fd, "# EOF");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"));
  const UniqueFd other = connect();
  send(other, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(read(other).starts_with("HTTP/1.1 404"));
}

}  // namespace
}  // namespace viridian::vswitch
