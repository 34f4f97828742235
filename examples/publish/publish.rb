# Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key.
require "json"
require "net/http"
require "securerandom"

GATEWAY = ENV.fetch("GATEWAY", "http://127.0.0.1:8080")
KEY = ENV.fetch("KEY", "")
PATIENCE = ENV.fetch("PATIENCE", "60").to_f # seconds: less than the two minutes for which the gateway remembers the key

# Has the gateway's status, code and message. Without an answer the status is 0.
class NotPublished < StandardError
  attr_reader :status, :code

  def initialize(status, code, message)
    super([status.nonzero?, code, message].compact.join(" "))
    @status, @code = status, code
  end
end

# Stores one event (a Hash), or all events of an Array, and returns the gateway's answer: {"id" => …} or {"ids" => …}.
def publish(events)
  body = JSON.generate(events)
  headers = { "x-apikey" => KEY, "Content-Type" => "application/json", "Idempotency-Key" => SecureRandom.uuid }
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  finish, pause = now.() + PATIENCE, 0.5
  loop do
    status, answer, wait = send_once(body, headers)
    return answer if status == 200

    passes = [0, 408, 429].include?(status) || status >= 500
    # The random part keeps many publishers from coming back at the same moment.
    rest = wait.positive? ? wait : pause * rand(0.5..1.0)
    raise NotPublished.new(status, answer["code"], answer["message"]) if !passes || now.() + rest > finish

    sleep rest
    pause = [2 * pause, 10].min
  end
end

def send_once(body, headers)
  uri = URI("#{GATEWAY}/realtime")
  r = Net::HTTP.start(uri.hostname, uri.port, use_ssl: uri.scheme == "https", open_timeout: 10, read_timeout: 10) do |http|
    http.post(uri.path, body, headers)
  end
  answer = JSON.parse(r.body)
  [r.code.to_i, answer, r["Retry-After"].to_i]
rescue JSON::ParserError, TypeError # an answer of a proxy or of another server
  [r.code == "200" ? 502 : r.code.to_i, { "message" => "this is no answer of the gateway: #{r.body.to_s[0, 100]}" }, 0]
rescue SystemCallError, SocketError, IOError, Timeout::Error, Net::ProtocolError, Net::HTTPBadResponse, OpenSSL::SSL::SSLError => e
  [0, { "message" => "no answer from #{GATEWAY}: #{e.message}" }, 0]
end

if __FILE__ == $PROGRAM_NAME
  begin
    answer = publish(JSON.parse(ARGV[0].to_s))
    puts answer["ids"] || answer["id"]
  rescue JSON::ParserError
    abort %q[give an event, or several, as JSON: '{"event":"news","data":"hello"}']
  rescue NotPublished => e
    abort "not published: #{e.message}"
  end
end
