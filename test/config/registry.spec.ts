import assert from "node:assert/strict";
import { askRegistry } from "../../config/registry.ts";
import {
    startScriptedServer,
    type Answer,
    type ScriptedServer,
} from "../providers/support/scriptedServer.ts";

describe("the registry", () => {
    let server: ScriptedServer;

    afterEach(() => server.close());

    async function ask(answer: Answer, image?: (host: string) => string) {
        server = await startScriptedServer(() => answer);
        const host = server.endpoint.replace("http://", "");
        return await askRegistry(host, "token", image?.(host));
    }

    const deployed = (host: string) => `${host}/my-app@sha256:abc`;

    it("gets one request, for the token and the deployed image", async () => {
        assert.deepEqual(await ask({}), {});
        assert.deepEqual(server.lines(), ["GET /v2/"]);
        await server.close();
        assert.deepEqual(await ask({}, deployed), {});
        assert.deepEqual(server.lines(), ["HEAD /v2/my-app/manifests/sha256:abc"]);
    });

    it("is not asked for another registry's image", async () => {
        assert.deepEqual(await ask({}, () => "registry.fly.io/my-app@sha256:abc"), {});
        assert.deepEqual(server.lines(), ["GET /v2/"]);
    });

    it("may have lost the image", async () => {
        assert.deepEqual(await ask({ status: 404 }, deployed), { imageMissing: true });
    });

    for (const image of [undefined, deployed]) {
        it(`may refuse the token, with ${image ? "an image" : "no image"} to ask for`, async () => {
            const { problem } = await ask({ status: 403 }, image);
            assert.match(problem ?? "", /refuses the token \(HTTP 403\)/);
        });

        it(`may want a token of its own, with ${image ? "an image" : "no image"} to ask for`, async () => {
            const headers = { "www-authenticate": 'Bearer realm="https://auth"' };
            assert.deepEqual(await ask({ status: 401, headers }, image), {});
        });
    }
});
