"""1: x"""
def run(p,s):
  pass
