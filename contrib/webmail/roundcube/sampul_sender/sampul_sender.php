<?php

/**
 * sampul_sender - a line in Roundcube's message header that tells what Sampul
 * found out about the sender.
 *
 * Copy the folder to Roundcube's plugins/ and add 'sampul_sender' to
 * $config['plugins']. For Roundcube 1.4 and newer. It only shows what the field
 * X-Verified-Sender says, see sampul-verified-sender(5): Sampul must stand in
 * front of every way into the mailbox, for it is Sampul that removes forged
 * ones.
 */
class sampul_sender extends rcube_plugin
{
    public $task = 'mail';

    private const FIELD = 'X-Verified-Sender';
    private const STATES = ['verified', 'not-verified', 'unsigned', 'unknown'];
    private const COLOURS = [
        'verified' => '#1a7f37',
        'not-verified' => '#b35900',
    ];

    public function init()
    {
        $this->add_texts('localization/');
        $this->add_hook('storage_init', [$this, 'fetch_field']);
        $this->add_hook('message_headers_output', [$this, 'show_field']);
    }

    /** Has the field fetched together with those that Roundcube wants. */
    public function fetch_field($args)
    {
        $fetched = $args['fetch_headers'] ?? '';
        $args['fetch_headers'] = trim($fetched . ' ' . strtoupper(self::FIELD));
        return $args;
    }

    public function show_field($args)
    {
        $value = $args['headers']->others[strtolower(self::FIELD)] ?? null;
        // Sampul writes one. Several come as an array: nobody removed them.
        $sender = is_string($value) ? self::parse($value) : null;
        if ($sender !== null) {
            $args['output']['sampul_sender'] = [
                'title' => $this->gettext('sender'),
                'value' => $this->line($sender),
                'html' => true,
            ];
        }
        return $args;
    }

    /**
     * The field's grammar: a state and parameters. Returns them by name, the
     * state as 'state'; null for what is not a value of Sampul's.
     */
    public static function parse($value)
    {
        $value = preg_replace('/\r?\n[ \t]+/', ' ', $value);
        if (!preg_match('/^\s*([a-z-]+)\s*(?=;|$)/', $value, $match)
            || !in_array($match[1], self::STATES, true)
        ) {
            return null;
        }
        $sender = ['state' => $match[1]];
        $rest = substr($value, strlen($match[0]));
        $parameter = '/\G;\s*([a-z]+)=(?:"((?:[^"\\\\]|\\\\.)*)"|([a-z0-9-]+))\s*/';
        preg_match_all($parameter, $rest, $all, PREG_SET_ORDER);
        foreach ($all as $one) {
            $text = $one[3] ?? preg_replace('/\\\\(.)/', '$1', $one[2]);
            $sender[$one[1]] = $sender[$one[1]] ?? $text;
        }
        return strlen($rest) === strlen(implode('', array_column($all, 0)))
            ? $sender : null;
    }

    /** HTML; everything that comes out of the message is escaped. */
    private function line($sender)
    {
        $state = $sender['state'];
        $words = [$this->gettext($state)];
        if ($state === 'verified') {
            foreach (['name', 'organisation', 'address', 'issuer'] as $part) {
                if (($sender[$part] ?? '') !== '') {
                    $words[] = $sender[$part];
                }
            }
        } elseif (($sender['text'] ?? '') !== '') {
            $words[] = $sender['text'];
        }
        $flags = ENT_QUOTES | ENT_SUBSTITUTE;
        $shown = htmlspecialchars(implode(' - ', $words), $flags, 'UTF-8');
        return sprintf('<span style="color:%s" title="%s">%s</span>',
            self::COLOURS[$state] ?? 'inherit',
            htmlspecialchars($sender['text'] ?? '', $flags, 'UTF-8'), $shown);
    }
}
