import assert from "node:assert/strict";
import { asArguments, type MosquittoBrokerArgs } from "../../config/args.ts";
import type { schema } from "../../config/schema.ts";
import { protectionProblem } from "../../providers/fly/protection.ts";
import { stateOf } from "../../config/ownState.ts";

type Setting = keyof typeof schema.shape | "passwords";
/** Left out: a stack's file has no place for it. */
type Argument = Exclude<keyof MosquittoBrokerArgs, "certificateFolder">;

describe("a broker's arguments", () => {
    it("are the settings of a stack's file", () => {
        const all: [Setting] extends [Argument] ? true : false = true;
        const noMore: [Argument] extends [Setting] ? true : false = true;
        assert.ok(all && noMore);
    });

    it("replace the stack file's commands in errors", () => {
        assert.equal(
            asArguments("if it is meant: `pulumi config set appkata-mqtt:protectVolume false`"),
            "if it is meant: `protectVolume: false`",
        );
        const protectedBy = 'protectVolume of MosquittoBroker "eu"';
        assert.match(
            protectionProblem("volume", { protectedBy }, true)!,
            /`protectVolume of MosquittoBroker "eu"` is true; .*: set it to false$/,
        );
    });
});

describe("a broker's state", () => {
    const urn = (rest: string) => `urn:pulumi:dev::shop::${rest}`;
    const BROKER = "appkata-mqtt:index:MosquittoBroker";
    const certificate = (name: string) =>
        urn(`shop:index:Region$${BROKER}$appkata-mqtt:index:Certificates$tls:a/b:C::${name}`);
    const resource = { type: "tls:a/b:C", outputs: {} };
    const state = {
        [urn("pulumi:pulumi:Stack::shop-dev")]: { type: "pulumi:pulumi:Stack", outputs: {} },
        [urn(`${BROKER}::eu`)]: { type: BROKER, outputs: { kept: '{"port":1}' } },
        [urn(`${BROKER}::eu-2`)]: { type: BROKER, outputs: { kept: '{"port":2}' } },
        [urn("appkata-mqtt:index:Certificates$tls:a/b:C::ca")]: resource,
        [certificate("eu:certificates:ca")]: resource,
        [certificate("eu-2:certificates:ca")]: resource,
    };
    const own = "appkata-mqtt:index:Certificates$tls:a/b:C::ca";

    it("has its own resources and kept outputs, and no other broker's", () => {
        assert.deepEqual(stateOf({ broker: "eu", ownsStack: false }, state), {
            [urn(`${BROKER}::eu`)]: { type: "pulumi:pulumi:Stack", outputs: { port: 1 } },
            [own]: resource,
        });
    });

    it("has the stack's outputs and version 0.1's resources if it owns the stack", () => {
        const all = stateOf({ broker: "eu", ownsStack: true }, state);
        assert.ok(urn("pulumi:pulumi:Stack::shop-dev") in all);
        assert.ok(urn(own) in all && own in all);
        assert.equal(Object.keys(all).filter((one) => one.endsWith("::ca")).length, 2);
    });
});
