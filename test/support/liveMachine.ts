/**
 * A busybox machine that takes changed files without a restart, by the contract of the image's
 * `broker-files`. /tmp/now has its files in force, one per line.
 */

/** Certain words in a file make it refuse, or ask for an update; /tmp/stuck makes `apply` fail. */
const COMMAND = `#!/bin/sh
next=/tmp/next.$$
if [ "$1" = state ]; then
    number=$(cat /tmp/number)
    digest=$(while read -r name text; do
        sum=$(echo "$text" | busybox sha256sum)
        echo "$name \${sum%% *}"
    done < /tmp/now | busybox sort | busybox sha256sum)
    echo "$number \${digest%% *} $(cat /tmp/restart 2>/dev/null || echo "$number")"
    exit
fi
while read -r name value; do
    echo "$value" | busybox base64 -d
done | busybox gzip -dc > $next.bundle
number() { busybox sed -n '2s/ .*//p' "$1"; }
if [ "$1" = start ] && [ -e /data/bundle ] && [ "$(number /data/bundle)" -gt "$(number $next.bundle)" ]; then
    cat /data/bundle > $next.bundle
fi
busybox awk '!lines { name = $1; lines = $2; next }
    { lines--; if (name != "version") print name " " $0 }' $next.bundle > $next
if grep -q REFUSED $next; then
    echo "broker-files: line 1 is wrong:" >&2
    cat $next >&2
    rm $next*
    exit 1
fi
if grep -q RESTART $next && [ "$1" != start ]; then
    echo "broker-files: this file is read at the start only" >&2
    rm $next*
    exit 3
fi
if [ "$1" != check ]; then
    if [ -e /tmp/stuck ]; then
        echo "broker-files: no space left" >&2
        rm $next*
        exit 1
    fi
    busybox cmp -s $next /tmp/now && echo unchanged || echo applied
    # As the broker does: what it has taken outlasts secrets that are older.
    if [ "$1" = apply ] && [ -d /data ]; then
        cat $next.bundle > /data/bundle
    fi
    cat $next > /tmp/now
    number $next.bundle > /tmp/number
    echo "$1" >> /tmp/done
fi
rm $next*
`;

export const CHECK = ["/bin/sh", "-c", "exec /bin/broker-files check"];
export const APPLY = ["/bin/sh", "-c", "exec /bin/broker-files apply"];
export const STATE = ["/bin/sh", "-c", "exec /bin/broker-files state"];

/** An entry of a machine's `files`. */
export const BROKER_FILES = {
    guest_path: "/bin/broker-files",
    raw_value: Buffer.from(COMMAND).toString("base64"),
    mode: 0o755,
};

/** Beginning of a machine's command: puts this secret's files in force. */
export function readAtStart(secret: string): string {
    return `echo "${secret} $${secret}" | /bin/sh /bin/broker-files start;`;
}

/** Answers on a health check's port, and ends when told to. */
export const LISTEN = "httpd -p 1883; trap 'exit 0' TERM; while true; do sleep 1 & wait; done";
