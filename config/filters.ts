/** MQTT topic filters: their syntax (MQTT 5, section 4.7), and how two of them overlap. */

const MAX_BYTES = 65_535;
/** Mosquitto allows 200 separators. */
const MAX_LEVELS = 201;

/** @returns what is wrong with a filter and what to write instead; undefined for a valid one */
export function filterProblem(filter: string): string | undefined {
    if (filter === "") return "is empty; name a topic, or leave it out";
    // Cs: a lone half of a surrogate pair.
    if (/[\p{Cc}\p{Cs}]/u.test(filter)) {
        return "has a character that MQTT does not allow, such as a control character; remove it";
    }
    if (filter.trim() !== filter) {
        return "begins or ends with a space, which Mosquitto's ACL file cannot hold; rename the topic";
    }
    const levels = filter.split("/");
    if (levels.slice(0, -1).some((level) => level.includes("#"))) {
        return "has # before its last level; # matches all levels that follow, so end there";
    }
    if (levels.some((level) => level.length > 1 && level.includes("#"))) {
        return "has # beside other characters; # must be alone in its level, as in a/#";
    }
    if (levels.some((level) => level.length > 1 && level.includes("+"))) {
        return "has + beside other characters; + must be alone in its level, as in a/+/b";
    }
    if (levels.length > MAX_LEVELS) {
        return `has ${levels.length} levels; Mosquitto allows ${MAX_LEVELS}, so end it earlier with #`;
    }
    const bytes = Buffer.byteLength(filter);
    return bytes > MAX_BYTES
        ? `has ${bytes} bytes; MQTT allows ${MAX_BYTES}, so end it earlier with #`
        : undefined;
}

/** Tells whether `outer` matches every topic that `inner` matches. */
export function covers(outer: string, inner: string): boolean {
    const [out, ins] = [levelsOf(outer), levelsOf(inner)];
    if (hidesDollar(out, ins)) return false;
    for (let at = 0; ; at++) {
        if (out[at] === "#") return true;
        if (at === out.length || at === ins.length) {
            // `a/#` also matches `a`.
            return out.length === ins.length || (at === ins.length && isTail(out, at));
        }
        if (ins[at] === "#") return false;
        if (out[at] !== "+" && out[at] !== ins[at]) return false;
    }
}

/** Tells whether both match a common topic. */
export function overlaps(one: string, other: string): boolean {
    const [a, b] = [levelsOf(one), levelsOf(other)];
    if (hidesDollar(a, b) || hidesDollar(b, a)) return false;
    for (let at = 0; ; at++) {
        if (a[at] === "#" || b[at] === "#") return true;
        if (at === a.length || at === b.length) return a.length === b.length;
        if (a[at] !== "+" && b[at] !== "+" && a[at] !== b[at]) return false;
    }
}

/** Splits a filter into levels. `+/#` equals `#`, since every topic has a level. */
function levelsOf(filter: string): string[] {
    return filter === "+/#" ? ["#"] : filter.split("/");
}

function isTail(levels: string[], at: number): boolean {
    return at === levels.length - 1 && levels[at] === "#";
}

/** Tells whether a leading wildcard fails to match a leading `$`, as MQTT demands. */
function hidesDollar(wild: string[], plain: string[]): boolean {
    return (wild[0] === "#" || wild[0] === "+") && plain[0]!.startsWith("$");
}
