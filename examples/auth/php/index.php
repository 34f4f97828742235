<?php
// A PHP application that tells the gateway who may see live events. README.md shows how to run it.
declare(strict_types=1);

$gateway = getenv('GATEWAY') ?: 'http://127.0.0.1:8080';
define('GATEWAY', $gateway);
define('REALTIME', getenv('REALTIME') ?: $gateway . '/realtime'); // its address for pages
define('AUTH_SECRET', (string) getenv('AUTH_SECRET'));
define('ADMIN_KEY', (string) getenv('ADMIN_KEY'));
if (AUTH_SECRET === '' || ADMIN_KEY === '') {
    http_response_code(500);
    exit('AUTH_SECRET and ADMIN_KEY are not set');
}

// Your application has users and hashed passwords already. These stand for them.
const USERS = [
    'ann' => ['id' => '42', 'name' => 'Ann', 'password' => 'ann', 'live' => true],
    'bob' => ['id' => '43', 'name' => 'Bob', 'password' => 'bob', 'live' => false],
];

// Lax: no form of another site is sent with the cookie.
const SESSION = ['cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'use_strict_mode' => true];

function user(): ?array
{
    return USERS[$_SESSION['user'] ?? ''] ?? null;
}

function page(string $name, array $values = []): void
{
    $values += ['csrf' => '', 'message' => '', 'realtime' => REALTIME];
    $text = file_get_contents(__DIR__ . "/../pages/$name.html");
    foreach ($values as $key => $value) {
        $text = str_replace('{{' . $key . '}}', htmlspecialchars($value), $text);
    }
    echo $text;
}

function login(): void
{
    $name = (string) ($_POST['name'] ?? '');
    $user = USERS[$name] ?? null;
    if (!$user || !hash_equals($user['password'], (string) ($_POST['password'] ?? ''))) {
        http_response_code(401);
        page('login', ['message' => 'The name or the password is wrong.']);
        return;
    }
    session_regenerate_id(true);
    $_SESSION['user'] = $name;
    header('Location: /', true, 303);
}

function logout(): void
{
    $user = user();
    $_SESSION = [];
    session_destroy();
    if ($user) {
        endStreams($user['id']); // after the session's end: the page connects again, and must be refused
    }
    header('Location: /', true, 303);
}

function realtimeAuth(): void
{
    if (!fromGateway()) {
        answer(400, ['message' => "AUTH_SECRET is not the gateway's"]);
        return;
    }
    $user = user();
    if (!$user) {
        answer(401, ['message' => 'log in first']); // not a redirect to the login page
    } elseif (!$user['live']) {
        answer(403, ['message' => 'your account has no live events']);
    } else {
        answer(200, [
            'subject' => $user['id'], 'name' => $user['name'], 'sub' => ["inbox-{$user['id']}", 'news'], 'pub' => [], 'rest' => [], 'ttl' => '5m',
        ]);
    }
}

function answer(int $status, array $body): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($body);
}

// fromGateway reports whether the gateway asks: only it and we know AUTH_SECRET.
function fromGateway(): bool
{
    $header = fn (string $name): string => $_SERVER["HTTP_$name"] ?? '';
    if (!preg_match('/^t=(\d+),v1=([0-9a-f]{64})$/D', $header('SLUICE_SIGNATURE'), $signature)) {
        return false;
    }
    $text = implode("\n", [$signature[1], $header('X_FORWARDED_METHOD'), $header('X_FORWARDED_URI'), $header('X_FORWARDED_FOR')]);
    return hash_equals(hash_hmac('sha256', $text, AUTH_SECRET), $signature[2]) && abs(time() - (int) $signature[1]) < 300;
}

// endStreams ends the user's streams now. Without it they would end when the gateway asks again, within the ttl.
function endStreams(string $subject): void
{
    $context = stream_context_create(['http' => [
        'method' => 'POST', 'timeout' => 5, 'content' => json_encode(['subject' => $subject]),
        'header' => ['x-apikey: ' . ADMIN_KEY, 'Content-Type: application/json'],
    ]]);
    if (@file_get_contents(GATEWAY . '/admin/revocations', false, $context) === false) {
        error_log("the streams of $subject were not ended");
    }
}

header('Cache-Control: no-store');
$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
// Only reading, the question does not wait for the session's lock, which another request of the user may hold.
session_start(SESSION + ($route === 'GET /realtime-auth' ? ['read_and_close' => true] : []));
match ($route) {
    'GET /' => user() ? page('live', ['name' => user()['name']]) : page('login'),
    'POST /login' => login(),
    'POST /logout' => logout(),
    'GET /realtime-auth' => realtimeAuth(),
    default => answer(404, ['message' => 'there is no such page']),
};
