import { describe, expect, it } from "vitest";

import { Following } from "../../src/thread/following.js";

const at = (scrollTop, scrollHeight = 2000, clientHeight = 500) => ({ scrollTop, scrollHeight, clientHeight });

/** As after opening a conversation: at its end. */
function atEnd() {
  const following = new Following();
  following.moved(at(1500));
  return following;
}

describe("following", () => {
  it("begins at the end", () => {
    expect(new Following().follows).toBe(true);
    expect(atEnd()).toMatchObject({ follows: true, near: true, away: false });
  });

  it("ends with any step up, however small", () => {
    const following = atEnd();
    following.moved(at(1495));
    expect(following).toMatchObject({ follows: false, away: false });
    following.moved(at(1200));
    expect(following.away).toBe(true);
  });

  it("begins again near the end, by going down", () => {
    const following = atEnd();
    following.moved(at(1000));
    following.moved(at(1460));
    expect(following.follows).toBe(true);
  });

  it("does not begin again because the text became shorter", () => {
    const following = atEnd();
    following.moved(at(1000));
    following.moved(at(1000, 1520));
    expect(following).toMatchObject({ follows: false, near: true });
  });

  it("goes on when text grows, is removed, or the keyboard comes and goes", () => {
    const following = atEnd();
    following.moved(at(1500, 2400));
    expect(following.follows).toBe(true);
    following.moved(at(1900, 2400));
    following.moved(at(900, 1400));
    expect(following.follows).toBe(true);
    following.moved(at(1200, 1400, 200));
    following.moved(at(900, 1400, 500));
    expect(following.follows).toBe(true);
  });

  it("is not ended by a phone that springs back from behind the end", () => {
    const following = atEnd();
    following.moved(at(1560));
    following.moved(at(1530));
    following.moved(at(1500));
    expect(following.follows).toBe(true);
  });

  it("can be let go and taken up", () => {
    const following = atEnd();
    following.letGo();
    expect(following.follows).toBe(false);
    following.toEnd();
    expect(following.follows).toBe(true);
  });
});
