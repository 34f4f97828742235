<?php // Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key.
declare(strict_types=1);

final class NotPublished extends Exception {} // its code is the gateway's status, or 0 without an answer

/** Stores one event (an array with names or an object), or all events of a list, and returns the gateway's answer: ["id" => …] or ["ids" => …]. */
function publish(array|object $events): array
{
    $body = json_encode($events, JSON_THROW_ON_ERROR);
    $key = bin2hex(random_bytes(16));
    // Less than the two minutes for which the gateway remembers the key.
    $end = microtime(true) + (float) (getenv('PATIENCE') ?: 60);
    for ($pause = 0.5; ; $pause = min(2 * $pause, 10)) {
        [$status, $answer, $wait] = send($body, $key);
        if ($status === 200) {
            return $answer;
        }
        $passes = in_array($status, [0, 408, 429], true) || $status >= 500;
        // The random part keeps many publishers from coming back at the same moment.
        $rest = $wait ?: $pause * random_int(50, 100) / 100;
        if (!$passes || microtime(true) + $rest > $end) {
            throw new NotPublished(implode(' ', array_filter([$status, $answer['code'] ?? '', $answer['message'] ?? ''])), $status);
        }
        usleep((int) ($rest * 1e6));
    }
}

function send(string $body, string $key): array
{
    $gateway = getenv('GATEWAY') ?: 'http://127.0.0.1:8080';
    $text = @file_get_contents($gateway . '/realtime', false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ['x-apikey: ' . getenv('KEY'), 'Content-Type: application/json', "Idempotency-Key: $key"],
        'content' => $body,
        'timeout' => 10,
        'ignore_errors' => true, // returns the body of a refusal too
        'follow_location' => 0,
    ]]));
    $head = $http_response_header ?? [];
    if ($text === false || !preg_match('/^HTTP\S+ (\d+)/', $head[0] ?? '', $found)) {
        return [0, ['message' => "no answer from $gateway: " . (error_get_last()['message'] ?? '')], 0];
    }
    $status = (int) $found[1];
    $wait = preg_match('/^Retry-After: *(\d+)/mi', implode("\n", $head), $found) ? (int) $found[1] : 0;
    $answer = json_decode($text, true);
    if (!is_array($answer)) { // an answer of a proxy or of another server
        return [$status === 200 ? 502 : $status, ['message' => 'this is no answer of the gateway: ' . substr($text, 0, 100)], 0];
    }
    return [$status, $answer, $wait];
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    try {
        $answer = publish(json_decode($argv[1] ?? '', flags: JSON_THROW_ON_ERROR));
        echo implode("\n", $answer['ids'] ?? [$answer['id']]), "\n";
    } catch (JsonException) {
        fwrite(STDERR, <<<'TEXT'
        give an event, or several, as JSON: '{"event":"news","data":"hello"}'

        TEXT);
        exit(1);
    } catch (NotPublished $e) {
        fwrite(STDERR, "not published: {$e->getMessage()}\n");
        exit(1);
    }
}
