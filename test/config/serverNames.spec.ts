import assert from "node:assert/strict";
import { parseSettings } from "../../config/settings.ts";
import { problems, users } from "./support/problems.ts";

const named = (...hostnames: string[]) => ({ hostnames: JSON.stringify(hostnames) });

describe("hostnames", () => {
    it("are names and addresses that a certificate can carry", () => {
        const hostnames = [
            ...[
                "mqtt.example.com",
                "MQTT.example.org",
                "*.example.com",
                "broker",
                "xn--bcher-kva.de",
            ],
            ...["10.20.30.40", "2001:db8::7", "4you.example.com"],
        ];
        assert.deepEqual(
            parseSettings({ users, ...named(...hostnames) }, "test").hostnames,
            hostnames,
        );
    });

    for (const [name, expected] of [
        ["not a name", /must be a host name, as mqtt\.example\.com, or an IP address; it is/],
        ["", /must be a host name/],
        ["*", /must be a host name/],
        ["a.*.example.com", /must be a host name/],
        ["-a.example.com", /must be a host name/],
        ["my_broker", /must be a host name/],
        ["bücher.de", /write xn--bcher-kva\.de; it is "bücher\.de"$/],
        ["mqtt.example.com.", /must not end with a dot; write mqtt\.example\.com; /],
        ["mqtt.example.com:8883", /without scheme, user, port or path; /],
        ["mqtts://mqtt.example.com", /without scheme, user, port or path; /],
        ["10.20.30.40:8883", /without scheme, user, port or path; /],
        ["10.20.30", /neither a host name, whose last part has a letter, nor an IP address/],
        ["10.20.30.400", /neither a host name, whose last part has a letter, nor an IP/],
        ["::ffff:10.20.30.40", /IPv4 address in IPv6 notation, .*; write 10\.20\.30\.40; /],
        ["fe80::1%eth0", /has a zone, .*; write fe80::1; /],
        [
            `${"a".repeat(60)}.`.repeat(5) + "example",
            /has 312 characters; a host name may have 253; /,
        ],
    ] as const) {
        it(`refuse ${JSON.stringify(name)}`, () => {
            const found = problems(named("ok.example.com", name));
            assert.equal(found.length, 1, found.join("\n"));
            assert.match(found[0]!, /^hostnames\.1: /);
            assert.match(found[0]!, expected);
        });
    }

    it("refuse duplicates, in any spelling", () => {
        const twice = ["a.example.com", "A.example.com", "2001:db8::7", "2001:0DB8:0:0::7"];
        assert.deepEqual(problems(named(...twice)), [
            'hostnames.1: is listed twice; it is "A.example.com"',
            'hostnames.3: is listed twice; it is "2001:0DB8:0:0::7"',
        ]);
    });

    it("are only names if Fly's edge has their certificates", () => {
        const found = problems({ ...named("a.example.com", "10.20.30.40"), tls: "edge" });
        assert.match(
            found.join("\n"),
            /^hostnames\.1: "10\.20\.30\.40" is an IP address, for which Fly issues no certificate; use a host name; with tls: edge/,
        );
    });
});
