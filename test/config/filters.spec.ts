import assert from "node:assert/strict";
import fc from "fast-check";
import { covers, filterProblem, overlaps } from "../../config/filters.ts";

describe("topic filters", () => {
    for (const filter of [
        ..."# + / a a/b a/# a/+ +/a +/# a/+/b/# /a a/ // $SYS/#".split(" "),
        "two words/%u",
        "größe/π",
        Array<string>(201).fill("a").join("/"),
        "a".repeat(65_535),
    ]) {
        it(`take ${JSON.stringify(filter.slice(0, 30))}`, () => {
            assert.equal(filterProblem(filter), undefined);
        });
    }

    for (const [filter, problem] of [
        ["", /^is empty/],
        ["a\0b", /^has a character that MQTT does not allow/],
        ["a\ntopic readwrite #", /^has a character that MQTT does not allow/],
        ["a\ud800", /^has a character that MQTT does not allow/],
        [" a", /^begins or ends with a space/],
        ["a/ ", /^begins or ends with a space/],
        ["#/a", /^has # before its last level/],
        ["a/#/b", /^has # before its last level/],
        ["a/b#", /^has # beside other characters/],
        ["##", /^has # beside other characters/],
        ["a+/b", /^has \+ beside other characters/],
        ["a/++", /^has \+ beside other characters/],
        [Array<string>(202).fill("a").join("/"), /^has 202 levels; Mosquitto allows 201/],
        ["π".repeat(32_768), /^has 65536 bytes; MQTT allows 65535/],
    ] as const) {
        it(`are not ${JSON.stringify(filter.slice(0, 30))}`, () => {
            assert.match(filterProblem(filter)!, problem);
        });
    }

    const level = fc.constantFrom("a", "b", "", "$x");
    const topics = everyTopic(["a", "b", "", "$x"], 4);
    const filter = fc
        .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 3 }), fc.boolean())
        .map(([levels, tail]) => (tail ? [...levels, "#"] : levels).join("/"))
        // The empty topic, which /# would match, does not exist: filters that differ only in it are equal.
        .filter((text) => filterProblem(text) === undefined && text !== "/#");

    it("cover another if they match all its topics", () => {
        fc.assert(
            fc.property(filter, filter, (outer, inner) => {
                const alone = topics.filter(
                    (topic) => matches(inner, topic) && !matches(outer, topic),
                );
                assert.equal(covers(outer, inner), alone.length === 0, alone[0]);
            }),
            { numRuns: 2000 },
        );
    });

    it("overlap if both match a topic", () => {
        fc.assert(
            fc.property(filter, filter, (one, other) => {
                const both = topics.find((topic) => matches(one, topic) && matches(other, topic));
                assert.equal(overlaps(one, other), both !== undefined, both);
            }),
            { numRuns: 2000 },
        );
    });

    /** All topics with at most this many levels. */
    function everyTopic(levels: string[], depth: number): string[] {
        let longest = levels;
        const all = [...longest];
        for (let at = 1; at < depth; at++) {
            longest = longest.flatMap((topic) => levels.map((next) => `${topic}/${next}`));
            all.push(...longest);
        }
        return all.filter((topic) => topic !== "");
    }

    /** The specification's definition, as a regular expression. */
    function matches(filter: string, topic: string): boolean {
        const pattern = filter
            .replace(/[$]/g, "\\$&")
            .replace(/(^|\/)#$/, (_, slash: string) => (slash === "" ? ".*" : "(/.*)?"))
            .replaceAll("+", "[^/]*");
        return (
            !(/^[+#]/.test(filter) && topic.startsWith("$")) &&
            new RegExp(`^${pattern}$`).test(topic)
        );
    }
});
