import assert from "node:assert/strict";
import { connect } from "../../dev/harness/mqtt.ts";
import { CA_KEY, REPLACED, ReplacedStack, SHUT_OUT } from "./support/replacedStack.ts";

/** All tests use one stack, which must be whole after each. */
describe("a replacement of a deployed stack's resource", function () {
    this.timeout(300_000);
    let stack: ReplacedStack;

    before(async () => {
        stack = await ReplacedStack.make();
    });
    after(() => stack?.project.remove());

    for (const { type, name, fate } of REPLACED) {
        it(`by --replace: ${type} ${name} is ${fate}`, async () => {
            const args = ["--replace", await stack.urnOf(type, name)];
            if (fate !== "refused") return void (await stack.goesThrough(args));
            await stack.isRefused(args, SHUT_OUT);
            await stack.isWhole();
        });
    }

    it("by a taint of all but the CA's key: they are kept or renewed", async () => {
        const urns = [];
        for (const { type, name, fate } of REPLACED) {
            if (fate !== "refused") urns.push(await stack.urnOf(type, name));
        }
        await stack.ok(["state", "taint", "--yes", ...urns]);
        await stack.goesThrough();
    });

    it("by a taint of the CA's key: refused until the taint is removed", async () => {
        const urn = await stack.urnOf(CA_KEY.type, CA_KEY.name);
        await stack.ok(["state", "taint", "--yes", urn]);
        await stack.isRefused([], /pulumi state untaint/);
        await stack.ok(["state", "untaint", "--yes", urn]);
        await stack.isWhole();
    });

    it("of the CA's key, once a setting allows to lock out all clients", async () => {
        const { project, first } = stack;
        project.configure({ clientsShutOut: "allow" });
        const urn = await stack.urnOf(CA_KEY.type, CA_KEY.name);
        await stack.ok(["up", "--yes", "--skip-preview", "--replace", urn]);
        const now = await project.outputs();
        assert.notEqual(now.caCertificatePem, first.caCertificatePem);
        await assert.rejects(connect({ ...now, caCertificatePem: first.caCertificatePem }));
        await (await connect(now)).endAsync();
    });
});
