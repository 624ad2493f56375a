/**
 * A machine of busybox that takes changed files without a restart, by the contract of the image's
 * `broker-files`. What it goes by is in /tmp/now, a line a file.
 */

/** Certain words in a file make it say no, or ask for a restart; /tmp/stuck makes `apply` fail. */
const COMMAND = `#!/bin/sh
next=/tmp/next.$$
while read -r name value; do
    echo "$name $(echo "$value" | busybox base64 -d)"
done > $next
if grep -q REFUSED $next; then
    echo "broker-files: line 1 is wrong:" >&2
    cat $next >&2
    rm $next
    exit 1
fi
if grep -q RESTART $next; then
    echo "broker-files: this file is read at the start only" >&2
    rm $next
    exit 3
fi
if [ "$1" = apply ]; then
    if [ -e /tmp/stuck ]; then
        echo "broker-files: no space left" >&2
        rm $next
        exit 1
    fi
    busybox cmp -s $next /tmp/now && echo unchanged || echo applied
    cat $next > /tmp/now
    echo "$1" >> /tmp/done
fi
rm $next
`;

export const CHECK = ["/bin/sh", "-c", "exec /bin/broker-files check"];
export const APPLY = ["/bin/sh", "-c", "exec /bin/broker-files apply"];

/** Of a machine's `files`. */
export const BROKER_FILES = {
    guest_path: "/bin/broker-files",
    raw_value: Buffer.from(COMMAND).toString("base64"),
    mode: 0o755,
};

/** The start of a machine's command: what it goes by then is what its secrets say. */
export function readAtStart(files: Readonly<Record<string, string>>): string {
    const lines = Object.entries(files).map(
        ([secret, file]) => `echo "${file} $(echo "$${secret}" | busybox base64 -d)"`,
    );
    return `{ ${lines.join("; ")}; } > /tmp/now;`;
}

/** Answers on the port of a health check, and ends when told to. */
export const LISTEN = "httpd -p 1883; trap 'exit 0' TERM; while true; do sleep 1 & wait; done";
