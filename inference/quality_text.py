"""A fixed text to measure what quantised weights cost: everyday prose in English and Chinese, written for this purpose, and a little code."""

TEXT = """The library opens at nine. On weekdays it closes at eight in the evening, but on Saturdays the doors are locked at five. Students \
may borrow up to six books at a time and keep them for three weeks. If nobody else has asked for a book, it can be renewed twice \
at the desk or by telephone. A small fine is charged for each day that a book is late, because other readers are waiting for it.

To cook rice on a stove, wash one cup of rice until the water runs clear. Put it into a pot with one and a half cups of cold water \
and a pinch of salt. Bring it to the boil, turn the heat down as far as it goes, and cover the pot. After fifteen minutes take it \
off the fire and leave it covered for another ten. Do not lift the lid to look: the steam that escapes is what cooks the grains on \
top.

The moon has no light of its own. What we see is sunlight that its dusty ground throws back. As it travels around the earth, which \
takes about a month, we see more or less of the side that the sun shines on; these are its phases. When it stands between us and \
the sun, its dark side is turned to us and we call it new. Two weeks later it stands opposite, and we see the whole bright face.

“Why are you so late?” asked her mother. “The bus did not come,” said Anna, “so I walked along the river with Tom. We saw a heron. \
It stood in the water on one leg and did not move at all, and then it had a fish.” Her mother laughed and put the soup back on the \
table.

def average(numbers):
    if not numbers:
        raise ValueError("expected at least one number, got none")
    return sum(numbers) / len(numbers)

图书馆早上九点开门，平时晚上八点关门，星期六下午五点就锁门了。学生一次最多可以借六本书，借期三个星期。如果没有别人预约，\
可以续借两次。过期不还的，每天要交一点罚款，因为还有别的读者在等。

在炉子上煮米饭，先把一杯米淘洗干净，放进锅里，加一杯半凉水和一点盐。大火烧开以后，转成最小的火，盖上锅盖。十五分钟后关火\
，再焖十分钟。中间不要打开锅盖看，上面的米粒要靠跑不掉的蒸汽才能熟。

月亮自己不发光，我们看到的是它的表面反射的太阳光。它绕地球走一圈大约要一个月，所以我们有时看到的亮面多，有时看到的亮面少\
，这就是月相。当它走到地球和太阳中间时，暗的一面对着我们，这时叫做新月；再过两个星期，它走到另一边，整个亮面都对着我们，\
就是满月。

“你怎么这么晚才回来？”妈妈问。“公共汽车没有来，”小安说，“我就和小明沿着河边走回来了。我们看见一只苍鹭，它一只脚站在\
水里，一动也不动，后来就叼起了一条鱼。”妈妈笑了，把汤又端回桌上。

"""
