import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import { gzipSync } from "node:zlib";
import { boundedText, TooLarge } from "../../providers/fly/api/answers.ts";
import { FlyClient } from "../../providers/fly/api/client.ts";
import { FlyError } from "../../providers/fly/api/errors.ts";
import { describeEvents } from "../../providers/fly/machine/failure.ts";
import { healthProblem } from "../../providers/fly/machine/health.ts";
import type { WireMachine } from "../../providers/fly/api/types.ts";
import { PartialFailure, withoutTraces } from "../../providers/provider.ts";

const MB = 1024 * 1024;

describe("answers from Fly and others", () => {
    let server: Server | undefined;
    afterEach(() => server?.close());

    async function serve(status: number, body: Buffer, headers: Record<string, string> = {}) {
        server = createServer((_request, response) => {
            response.writeHead(status, { "content-type": "application/json", ...headers });
            response.end(body);
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server?.once("listening", resolve));
        const { port } = server.address() as AddressInfo;
        const endpoint = `http://127.0.0.1:${port}`;
        return new FlyClient({ endpoint, token: "fo1_token", retries: 0 });
    }

    it("are not read further once they are too large, decompressed", async () => {
        const bomb = gzipSync(Buffer.alloc(200 * MB, "["));
        const client = await serve(200, bomb, { "content-encoding": "gzip" });
        const before = process.memoryUsage().rss;
        await assert.rejects(client.get(["apps", "a"]), (error: FlyError) => {
            assert.match(error.message, /an answer of more than 32 MB, which was not read/);
            return error instanceof FlyError;
        });
        const grown = (process.memoryUsage().rss - before) / MB;
        assert.ok(grown < 150, `${grown} MB more`);
    });

    it("cost no time if they are not JSON", async () => {
        const client = await serve(502, Buffer.alloc(8 * MB, "<"));
        const begun = performance.now();
        await assert.rejects(client.get(["apps", "a"]), FlyError);
        assert.ok(performance.now() - begun < 3000);
    });

    it("are read up to the limit", async () => {
        assert.equal((await boundedText(new Response("x".repeat(MB)), MB)).length, MB);
        await assert.rejects(boundedText(new Response("x".repeat(MB + 1)), MB), TooLarge);
        assert.equal(await boundedText(new Response(null)), "");
    });

    it("put nothing into an error that a terminal would act on", async () => {
        const error = "\u001b]0;title\u0007\u202egone\nline";
        const client = await serve(
            422,
            Buffer.from(JSON.stringify({ error, status: "\u001b[2J" })),
            {
                "fly-request-id": "a\u009bb",
            },
        );
        await assert.rejects(client.get(["apps", "a"]), (failure: Error) => {
            assert.doesNotMatch(failure.message, HIDDEN);
            assert.match(failure.message, /\\u001b\]0;title\\u0007\\u202egone line/);
            return true;
        });
    });

    it("put nothing of the kind into events, checks and what a provider throws", async () => {
        const evil = "\u001b[2J\u202e";
        const events = [{ type: evil, status: evil, request: { exit_event: { error: evil } } }];
        assert.doesNotMatch(describeEvents(events), HIDDEN);
        const machine = { state: "started", checks: [{ name: "a", status: "b", output: evil }] };
        assert.doesNotMatch(healthProblem(machine as unknown as WireMachine, 1) ?? "", HIDDEN);
        const provider = withoutTraces({
            read: () => Promise.reject(new Error(evil)),
            update: () => Promise.reject(new PartialFailure("a", {}, new Error(evil))),
        });
        await assert.rejects(provider.read(), ({ message }: Error) => !HIDDEN.test(message));
        await assert.rejects(
            provider.update(),
            ({ message, reasons }: PartialFailure) =>
                !HIDDEN.test(message) && !HIDDEN.test(reasons.join("")),
        );
    });
});

const HIDDEN = /(?!\n)[\p{Cc}\p{Cf}]/u;
