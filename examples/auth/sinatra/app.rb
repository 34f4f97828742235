# A Sinatra application that tells the gateway who may see live events. README.md shows how to run it.
require "json"
require "net/http"
require "openssl"
require "sinatra"

GATEWAY = ENV.fetch("GATEWAY", "http://127.0.0.1:8080")
REALTIME = ENV.fetch("REALTIME", "#{GATEWAY}/realtime") # its address for pages
AUTH_SECRET = ENV.fetch("AUTH_SECRET")
ADMIN_KEY = ENV.fetch("ADMIN_KEY")

# Your application has users and hashed passwords already. These stand for them.
USERS = {
  "ann" => { id: "42", name: "Ann", password: "ann", live: true },
  "bob" => { id: "43", name: "Bob", password: "bob", live: false },
}.freeze

set :bind, "127.0.0.1"
set :port, ENV.fetch("PORT", "8000").to_i
# Sinatra's own session is a signed cookie: whoever kept a copy could use it after the logout. In a Pool the session is here,
# where a logout removes it. Lax: no form of another site is sent with the cookie.
set :session_store, Rack::Session::Pool
set :sessions, same_site: :lax, httponly: true

helpers do
  def current
    USERS[session[:user]]
  end

  def page(file, **values)
    cache_control :no_store
    values = values.transform_values { |v| Rack::Utils.escape_html(v) }
    values = { csrf: "", message: "", realtime: REALTIME, **values }
    File.read(File.join(__dir__, "../pages/#{file}.html")).gsub(/\{\{(\w+)\}\}/) { values.fetch($1.to_sym) }
  end

  def answer(status, body)
    halt status, { "Content-Type" => "application/json" }, body.to_json
  end

  # Only the gateway and we know AUTH_SECRET.
  def from_gateway?
    signature = /\At=(\d+),v1=([0-9a-f]{64})\z/.match(request.env["HTTP_SLUICE_SIGNATURE"].to_s)
    return false unless signature

    text = [signature[1], *request.env.values_at("HTTP_X_FORWARDED_METHOD", "HTTP_X_FORWARDED_URI", "HTTP_X_FORWARDED_FOR")].join("\n")
    right = OpenSSL::HMAC.hexdigest("SHA256", AUTH_SECRET, text)
    Rack::Utils.secure_compare(right, signature[2]) && (Time.now.to_i - signature[1].to_i).abs < 300
  end

  # Ends the user's streams now. Without it they would end when the gateway asks again, within the ttl.
  def end_streams(subject)
    uri = URI("#{GATEWAY}/admin/revocations")
    headers = { "x-apikey" => ADMIN_KEY, "Content-Type" => "application/json" }
    Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https", open_timeout: 5, read_timeout: 5) do |http|
      http.post(uri.path, { subject: subject }.to_json, headers).value
    end
  rescue StandardError => e
    logger.warn "the streams of #{subject} were not ended: #{e.message}"
  end
end

get "/" do
  current ? page("live", name: current[:name]) : page("login")
end

post "/login" do
  user = USERS[params[:name]]
  unless user && Rack::Utils.secure_compare(user[:password], params[:password].to_s)
    halt 401, page("login", message: "The name or the password is wrong.")
  end
  session.options[:renew] = true
  session[:user] = params[:name]
  redirect "/", 303
end

post "/logout" do
  user = current
  session.destroy
  end_streams(user[:id]) if user # after the session's end: the page connects again, and must be refused
  redirect "/", 303
end

get "/realtime-auth" do
  answer 400, message: "AUTH_SECRET is not the gateway's" unless from_gateway?
  answer 401, message: "log in first" unless current # not a redirect to the login page
  answer 403, message: "your account has no live events" unless current[:live]
  answer 200, subject: current[:id], name: current[:name], sub: ["inbox-#{current[:id]}", "news"], pub: [], rest: [], ttl: "5m"
end
