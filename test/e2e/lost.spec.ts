import { REPLACED, ReplacedStack } from "./support/replacedStack.ts";

/** `pulumi state delete` of each type in turn; dependent resources go too. */
describe("a resource that is lost from a deployed stack's state", function () {
    this.timeout(300_000);
    let stack: ReplacedStack;

    before(async () => {
        stack = await ReplacedStack.make();
    });
    after(() => stack?.project.remove());

    for (const { type, name, fate } of REPLACED) {
        it(`${type} ${name} is ${fate}`, async () => {
            const before = await stack.exported();
            await stack.loses(await stack.urnOf(type, name));
            if (fate !== "refused") return void (await stack.goesThrough());
            await stack.isRefused([], /pulumi stack import/);
            await stack.imports(before);
            await stack.isWhole();
        });
    }
});
