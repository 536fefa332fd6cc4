"""Examples that a program can write by itself: small sums, remembering what was just said, playing a role.

Everything is drawn from the random generator handed in, so one seed gives one set.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from micromind.document import Document, Message, exchange

CHINESE_NAMES = (
    "小明",
    "小红",
    "小刚",
    "小雨",
    "阿杰",
    "阿宁",
    "小林",
    "小芳",
    "大伟",
    "小雪",
    "阿强",
    "小月",
    "子涵",
    "乐乐",
    "安安",
    "小华",
    "小李",
    "老王",
    "小陈",
    "晓晓",
)
ENGLISH_NAMES = (
    "Tom",
    "Anna",
    "Jack",
    "Lucy",
    "Ben",
    "Emma",
    "Sam",
    "Mia",
    "Leo",
    "Nina",
    "Max",
    "Eva",
    "Ray",
    "Lily",
    "Alex",
    "Kate",
    "Dan",
    "Zoe",
    "Mark",
    "Ida",
)
CHINESE_THINGS = (
    "看书",
    "跑步",
    "画画",
    "听音乐",
    "做饭",
    "下棋",
    "游泳",
    "种花",
    "摄影",
    "打篮球",
    "写代码",
    "看电影",
    "爬山",
    "钓鱼",
    "弹吉他",
    "喝茶",
)
ENGLISH_THINGS = (
    "reading",
    "running",
    "painting",
    "music",
    "cooking",
    "chess",
    "swimming",
    "gardening",
    "photography",
    "football",
    "coding",
    "hiking",
    "fishing",
    "tea",
)
CHINESE_COLOURS = ("红色", "蓝色", "绿色", "黄色", "紫色", "白色", "黑色", "橙色")
CHINESE_PETS = ("一只猫", "一条狗", "两只兔子", "一只乌龟", "几条金鱼", "一只鹦鹉")


def examples(count: int, rng: random.Random, *, copying: bool = True) -> list[Document]:
    """`count` examples.

    Args:
        copying: with examples that ask for copying out of the context (operands, names, words). A network of a few million
            parameters that has read a few million words does not learn it, and taught all the same it invents: fine-tuning
            leaves them out, and teaches it to say so.
    """
    makers: tuple[Callable[[random.Random], tuple[Message, ...]], ...] = (_role_zh, _role_en, _tone, _forgetful, _no_sum)
    if copying:
        makers = (_sum, _sum, _sum, _sum, _memory_zh, _memory_en, _persona_zh, _persona_en, _echo, _tone)
    return [Document(messages=rng.choice(makers)(rng)) for _ in range(count)]


def reworded(question: str, rng: random.Random) -> str:
    """A question as another person might type it: politer, sloppier, without punctuation. Half of them stay as they are."""
    if rng.random() < 0.5:
        return question
    bare = question.rstrip("？?。.！!")
    if re.search(r"[\u4e00-\u9fff]", question):
        if len(bare) < 4:
            return bare + rng.choice(("", "？", "！", "。", "呀"))
        before = rng.choice(("", "", "", "请问，", "请问", "我想问一下，", "想问问", "那么，", "那", "你好，", "对了，"))
        return before + bare + rng.choice(("", "", "？", "？", "?", "呢？", "呀", "啊？"))
    before = rng.choice(("", "", "", "Hi, ", "Please, ", "Excuse me, ", "So ", "Okay, ", "Tell me: ", "I want to know: "))
    if (before and not re.match(r"I\b|I'|[A-Z]{2}", bare)) or rng.random() < 0.3:
        bare = bare[:1].lower() + bare[1:]
    return before + bare + (rng.choice(("?", "?", "", "??")) if question.endswith("?") else rng.choice(("", ".", "!")))


# --- sums ------------------------------------------------------------------------------------------------------------


def _sum(rng: random.Random) -> tuple[Message, ...]:
    """One sum of small numbers; a part of them is worked out in a thinking block first."""
    kind = rng.choice(("+", "+", "-", "-", "×", "×", "÷"))
    if kind == "+":
        left, right = _operand(rng), _operand(rng)
        result, think = left + right, _add_steps(left, right)
    elif kind == "-":
        right, result = _operand(rng), _operand(rng)
        left = right + result
        think = f"{left} - {right} = {result}"
    else:
        left, right = rng.randint(1, 10), rng.randint(1, 10)
        result = left * right
        think = f"{left} × {right} = {result}"
        if kind == "÷":
            left, result = result, left
            think = f"{result} × {right} = {left}, {left} ÷ {right} = {result}"
    return _asked(rng, kind, left, right, result, think)


def _operand(rng: random.Random) -> int:
    return rng.randint(0, 10) if rng.random() < 0.6 else rng.randint(1, 50)


def _add_steps(left: int, right: int) -> str:
    if left < 10 or right < 10:
        return f"{left} + {right} = {left + right}"
    tens, ones = left // 10 * 10 + right // 10 * 10, left % 10 + right % 10
    return f"{left // 10 * 10} + {right // 10 * 10} = {tens}\n{left % 10} + {right % 10} = {ones}\n{tens} + {ones} = {left + right}"


def _asked(rng: random.Random, kind: str, left: int, right: int, result: int, think: str, *, always: bool = False) -> tuple[Message, ...]:
    signs = {"+": ("+", "加", "plus"), "-": ("-", "减", "minus"), "×": ("×", "乘", "times"), "÷": ("÷", "除以", "divided by")}
    sign, chinese, english = signs[kind]
    written = rng.choice((sign, "*" if kind == "×" else "/" if kind == "÷" else sign))
    gap = rng.choice(("", " "))
    formula = f"{left}{gap}{written}{gap}{right}"
    question, answer = rng.choice(
        (
            (f"{formula}={rng.choice(('', '?', '？'))}", f"{left} {sign} {right} = {result}"),
            (f"{formula}等于多少？", f"{left} {sign} {right} = {result}。"),
            (f"{left}{chinese}{right}等于几？", f"{left}{chinese}{right}等于{result}。"),
            (f"请计算 {formula}", f"{left} {sign} {right} = {result}。"),
            (f"算一下{formula}是多少", f"{left} {sign} {right} = {result}。"),
            (f"What is {left} {english} {right}?", f"{left} {english} {right} is {result}."),
            (f"What is {formula}?", f"{left} {sign} {right} = {result}."),
            (f"{formula} = ?", f"{left} {sign} {right} = {result}"),
        )
    )
    return exchange(question, answer, think=think if always or rng.random() < 0.35 else "")


def reasoned_sums(count: int, rng: random.Random) -> list[Document]:
    """Sums of up to two digits, each worked out in a thinking block before the answer."""
    made = []
    for _ in range(count):
        sign, left, right = two_digits(rng)
        result = left + right if sign == "+" else left - right
        think = _add_steps(left, right) if sign == "+" else f"{left} - {right} = {result}"
        made.append(Document(messages=_asked(rng, sign, left, right, result, think, always=True)))
    return made


def two_digits(rng: random.Random) -> tuple[str, int, int]:
    """A sum or difference of two numbers below 100, with a result of 0 or more: (sign, left, right)."""
    left, right = rng.randint(1, 99), rng.randint(1, 99)
    return ("+", left, right) if rng.random() < 0.5 else ("-", max(left, right), min(left, right))


# --- remembering -----------------------------------------------------------------------------------------------------


def _memory_zh(rng: random.Random) -> tuple[Message, ...]:
    name, thing, pet, colour = (rng.choice(options) for options in (CHINESE_NAMES, CHINESE_THINGS, CHINESE_PETS, CHINESE_COLOURS))
    told, reply, asked, recalled = rng.choice(
        (
            (
                rng.choice((f"我叫{name}。", f"你好，我叫{name}", f"我的名字是{name}。")),
                f"你好，{name}！很高兴认识你。",
                rng.choice(("我叫什么名字？", "你记得我的名字吗？", "我是谁？")),
                f"你叫{name}。",
            ),
            (f"我喜欢{thing}。", f"{thing}是个很好的爱好！", rng.choice(("我喜欢什么？", "我的爱好是什么？")), f"你刚才说，你喜欢{thing}。"),
            (f"我养了{pet}。", f"真好，{pet}一定很可爱！", rng.choice(("我养了什么？", "你记得我养了什么吗？")), f"你说过，你养了{pet}。"),
            (f"我最喜欢的颜色是{colour}。", f"{colour}很好看！", "我最喜欢什么颜色？", f"你最喜欢{colour}。"),
        )
    )
    between = exchange(
        *rng.choice(
            (("今天心情不错。", "那真好，希望你一直开心！"), ("你能做什么？", "我可以聊天、回答简单的问题、做小算术。"), ("谢谢", "不客气！"))
        )
    )
    return (*exchange(told, reply), *(between if rng.random() < 0.4 else ()), *exchange(asked, recalled))


def _memory_en(rng: random.Random) -> tuple[Message, ...]:
    name, thing = rng.choice(ENGLISH_NAMES), rng.choice(ENGLISH_THINGS)
    told, reply, asked, recalled = rng.choice(
        (
            (
                rng.choice((f"My name is {name}.", f"Hi, I'm {name}.", f"Hello! I am {name}")),
                f"Nice to meet you, {name}!",
                rng.choice(("What is my name?", "Do you remember my name?", "Who am I?")),
                f"Your name is {name}.",
            ),
            (
                rng.choice((f"I like {thing}.", f"I love {thing}!")),
                f"That sounds fun! {thing.capitalize()} is a nice hobby.",
                rng.choice(("What do I like?", "What is my hobby?")),
                f"You told me that you like {thing}.",
            ),
        )
    )
    between = exchange(
        *rng.choice(
            (
                ("I feel good today.", "I'm glad to hear that!"),
                ("What can you do?", "I can chat, answer simple questions and do small sums."),
                ("Thanks!", "You're welcome!"),
            )
        )
    )
    return (*exchange(told, reply), *(between if rng.random() < 0.4 else ()), *exchange(asked, recalled))


# --- system prompts --------------------------------------------------------------------------------------------------

_ROLES_ZH = (
    ("猫", "喵～", "我最喜欢晒太阳和吃小鱼干"),
    ("小狗", "汪！", "我最喜欢散步和玩球"),
    ("海盗船长", "哈哈！", "我正在寻找宝藏"),
    ("古代书生", "小生有礼了。", "我最爱读诗写字"),
    ("机器人", "嘀嘀。", "我正在努力学习人类的语言"),
    ("厨师", "来啦！", "我最拿手的是红烧肉"),
    ("老师", "同学你好。", "我喜欢给大家讲故事"),
    ("图书管理员", "请轻声。", "我每天和书在一起"),
)
_ROLES_EN = (
    ("cat", "Meow!", "I love sunshine and fish"),
    ("pirate", "Ahoy!", "I am looking for treasure"),
    ("robot", "Beep.", "I am learning how people talk"),
    ("wizard", "Ah, welcome!", "I study old magic books"),
    ("chef", "Welcome to my kitchen!", "I make a very good soup"),
    ("teacher", "Hello, class!", "I like telling stories"),
)


def _persona_zh(rng: random.Random) -> tuple[Message, ...]:
    name, (role, cry, life) = rng.choice(CHINESE_NAMES), rng.choice(_ROLES_ZH)
    system = rng.choice(
        (
            f"你是一个叫{name}的{role}。",
            f"你叫{name}，是一个{role}。请用“{cry}”开头说话。",
            f"请扮演{role}，名字叫{name}。",
            f"你的名字是{name}。你是{role}，说话时总是先说“{cry}”",
        )
    )
    cry = cry if "“" in system else ""
    turns = [
        (rng.choice(("你好", "嗨", "你好呀！")), f"{cry}你好，我是{name}。"),
        (rng.choice(("你是谁？", "你叫什么名字？", "介绍一下你自己")), f"{cry}我叫{name}，是一个{role}。"),
        (rng.choice(("你喜欢什么？", "你平时做什么？", "最近在忙什么？")), f"{cry}{life}。"),
        (rng.choice(("再见", "拜拜", "我走了")), f"{cry}再见，下次再来找我{name}！"),
        (rng.choice(("谢谢你", "谢谢")), f"{cry}不客气！"),
    ]
    return _role_play(system, turns, rng)


def _persona_en(rng: random.Random) -> tuple[Message, ...]:
    name, (role, cry, life) = rng.choice(ENGLISH_NAMES), rng.choice(_ROLES_EN)
    system = rng.choice(
        (
            f"You are a {role} called {name}.",
            f'Your name is {name}. You are a {role}. Always begin with "{cry}"',
            f"Play the role of a {role} named {name}.",
        )
    )
    cry = f"{cry} " if '"' in system else ""
    turns = [
        (rng.choice(("Hello", "Hi!", "Hey there")), f"{cry}Hello, I am {name}."),
        (rng.choice(("Who are you?", "What is your name?", "Tell me about yourself")), f"{cry}I am {name}, a {role}."),
        (rng.choice(("What do you like?", "What do you do all day?")), f"{cry}{life}."),
        (rng.choice(("Bye", "Goodbye!")), f"{cry}Goodbye! Come back and see {name} soon."),
        (rng.choice(("Thanks", "Thank you!")), f"{cry}You're welcome!"),
    ]
    return _role_play(system, turns, rng)


def _role_play(system: str, turns: list[tuple[str, str]], rng: random.Random) -> tuple[Message, ...]:
    chosen = sorted(rng.sample(range(len(turns)), rng.randint(1, 3)))
    return (Message(role="system", content=system), *(message for place in chosen for message in exchange(*turns[place])))


def _tone(rng: random.Random) -> tuple[Message, ...]:
    """System prompts that ask for a language or for brevity."""
    return rng.choice(
        (
            exchange(
                rng.choice(("你好", "Hello", "Hi")),
                rng.choice(("Hello! How can I help you?", "Hi there! What would you like to talk about?")),
                system=rng.choice(("Answer in English.", "Always reply in English.", "请用英文回答。")),
            ),
            exchange(
                rng.choice(("Hello", "Hi", "你好")),
                rng.choice(("你好！有什么可以帮你的吗？", "你好！想聊点什么？")),
                system=rng.choice(("请用中文回答。", "Answer in Chinese.", "只说中文。")),
            ),
            exchange(
                rng.choice(("你是谁？", "你叫什么？")), "我是 MicroMind。", system=rng.choice(("回答要简短。", "请用一句话回答。", "尽量简短。"))
            ),
            exchange(
                rng.choice(("Who are you?", "What are you?")),
                "I am MicroMind.",
                system=rng.choice(("Be brief.", "Answer in one sentence.", "Keep it short.")),
            ),
            exchange(
                rng.choice(("你好", "在吗？")),
                rng.choice(("您好，请问有什么可以帮您？", "您好，很高兴为您服务。")),
                system=rng.choice(("你是一个有礼貌的客服，请用“您”称呼对方。", "请礼貌地回答，使用敬语。")),
            ),
            exchange(
                rng.choice(("你好", "你是谁？")),
                rng.choice(("你好！我是 MicroMind，运行在这台电脑上的小模型。", "我是 MicroMind，一个运行在这台电脑上的小语言模型。")),
                system=rng.choice(("You are a helpful assistant.", "你是一个有用的助手。", "你是一个乐于助人的助手。")),
            ),
            exchange(
                rng.choice(("Hello", "Who are you?")),
                "Hello! I am MicroMind, a small language model that runs on this computer.",
                system=rng.choice(("You are a helpful assistant.", "你是一个有用的助手。")),
            ),
        )
    )


def _echo(rng: random.Random) -> tuple[Message, ...]:
    """Repeating what was said, which trains copying out of the context."""
    if rng.random() < 0.5:
        words = "".join(
            rng.sample(
                ("今天", "天气", "我们", "一起", "学习", "高兴", "朋友", "月亮", "电脑", "春天", "唱歌", "大海", "苹果", "山上"), rng.randint(1, 4)
            )
        )
        return exchange(rng.choice((f"请重复：{words}", f"跟我说：{words}", f"重复一遍“{words}”")), words)
    words = " ".join(
        rng.sample(("apple", "moon", "river", "music", "happy", "green", "friend", "winter", "book", "computer", "sky", "bread"), rng.randint(1, 4))
    )
    return exchange(rng.choice((f"Repeat: {words}", f"Say: {words}", f'Please repeat "{words}"')), words)


# --- what it cannot do, said so --------------------------------------------------------------------------------------


_UNKNOWN_ZH = ("我不知道。我很小，知道的事情不多，请查一查可靠的资料。", "这个我不知道，换一个大一点的模型也许能回答。", "我不知道，不想乱说。")
_UNKNOWN_EN = (
    "I don't know. I am very small and know few facts; please check a reliable source.",
    "I don't know that. A bigger model may.",
    "Sorry, I don't know, and I don't want to make something up.",
)


UNKNOWN = frozenset((*_UNKNOWN_ZH, *_UNKNOWN_EN))


def unknown(rng: random.Random) -> Callable[[Document], Document]:
    """Turns a conversation into its first question and an honest "I don't know" in the question's language."""

    def refused(document: Document) -> Document:
        question = next(message["content"] for message in document.messages if message["role"] == "user")[:300]
        answers = _UNKNOWN_ZH if re.search(r"[\u4e00-\u9fff]", question) else _UNKNOWN_EN
        return Document(messages=exchange(question, rng.choice(answers)))

    return refused


def _no_sum(rng: random.Random) -> tuple[Message, ...]:
    """A sum that it leaves to a calculator, in the language of the question."""
    question = _sum(rng)[0]["content"]
    left = rng.randint(11, 99999)
    question = question if rng.random() < 0.5 else re.sub(r"\d+", str(left), question, count=1)
    english = re.search(r"[A-Za-z]", question) is not None
    answers = (
        ("I am not good at sums. Please use a calculator.", "Sorry, I can't calculate reliably. Please use a calculator.")
        if english
        else ("我算不准，请用计算器。", "算术我做不好，请用计算器算一下。")
    )
    return exchange(question, rng.choice(answers), think="I can't calculate reliably." if english else "我算不准，要如实说。")


def _forgetful(rng: random.Random) -> tuple[Message, ...]:
    """Someone tells a name or a liking; asked for it later, it admits that it has a poor memory."""
    told = rng.choice((_memory_zh, _memory_en))(rng)
    english = re.search(r"[\u4e00-\u9fff]", told[0]["content"]) is None
    greets, forgets = (
        (
            ("Nice to meet you! What would you like to talk about?", "Thanks for telling me!"),
            ("Sorry, my memory is poor: I am a very small model and can't recall that.",),
        )
        if english
        else (("你好，很高兴认识你！想聊点什么？", "谢谢你告诉我！"), ("对不起，我很小，记性不好，想不起来了。",))
    )
    first = exchange(told[0]["content"], greets[0] if re.search(r"叫|名字|name|I'm|I am", told[0]["content"]) else greets[1])
    return first if rng.random() < 0.5 else (*first, *exchange(told[-2]["content"], forgets[0]))


def _role_zh(rng: random.Random) -> tuple[Message, ...]:
    """A role without a name: it takes up what it is, not how it is called."""
    role, cry, life = rng.choice(_ROLES_ZH)
    name = rng.choice(("", "", f"叫{rng.choice(CHINESE_NAMES)}的"))
    system = rng.choice(
        (f"你是一个{name}{role}。", f"你是一只{name}{role}。", f"请扮演一个{name}{role}。", f"假装你是{role}", f"你是{role}，请用{role}的口气说话。")
    )
    turns = [
        (rng.choice(("你好", "嗨", "你好呀！", "在吗？")), f"{cry}你好，我是{role}。"),
        (rng.choice(("你是谁？", "你叫什么名字？", "介绍一下你自己", "你是谁")), f"{cry}我是{role}，很高兴见到你。"),
        (rng.choice(("你喜欢什么？", "你平时做什么？", "最近在忙什么？", "你喜欢做什么？")), f"{cry}{life}。"),
        (rng.choice(("再见", "拜拜", "我走了")), f"{cry}再见，下次再来找我！"),
        (rng.choice(("谢谢你", "谢谢")), f"{cry}不客气！"),
    ]
    return _role_play(system, turns, rng)


def _role_en(rng: random.Random) -> tuple[Message, ...]:
    role, cry, life = rng.choice(_ROLES_EN)
    name = rng.choice(("", "", f" called {rng.choice(ENGLISH_NAMES)}"))
    system = rng.choice((f"You are a {role}{name}.", f"Play the role of a {role}{name}.", f"Pretend to be a {role}.", f"Talk like a {role}."))
    turns = [
        (rng.choice(("Hello", "Hi!", "Hey there")), f"{cry} Hello, I am a {role}."),
        (rng.choice(("Who are you?", "What is your name?", "Tell me about yourself")), f"{cry} I am a {role}, nice to meet you."),
        (rng.choice(("What do you like?", "What do you do all day?")), f"{cry} {life}."),
        (rng.choice(("Bye", "Goodbye!")), f"{cry} Goodbye! Come back soon."),
        (rng.choice(("Thanks", "Thank you!")), f"{cry} You're welcome!"),
    ]
    return _role_play(system, turns, rng)
